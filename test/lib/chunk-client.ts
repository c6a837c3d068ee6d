// An NBD client for tests that speaks structured replies or extended headers, by hand as NbdClient
// does. It takes replies apart strictly: what the protocol forbids in a reply is an exception.
import type { BoundAddress } from '../../src/server/listening-socket.js';
import {
  extendedRequestBytes,
  infoBytes,
  NbdClient,
  type Request,
  requestBytes,
} from './nbd-client.js';

const [STRUCTURED_REPLY, SET_META_CONTEXT, EXTENDED_HEADERS, GO] = [8, 10, 11, 7] as const;
const [SIMPLE_MAGIC, STRUCTURED_MAGIC, EXTENDED_MAGIC] = [0x67446698, 0x668e33ef, 0x6e8a278c];
const [NONE, OFFSET_DATA, OFFSET_HOLE, BLOCK_STATUS, BLOCK_STATUS_EXT] = [0, 1, 2, 5, 6] as const;
const [ERROR, ERROR_OFFSET] = [0x8001, 0x8002] as const;
const PAYLOAD_LEN = 32;

export type Style = 'structured' | 'extended';

/** One whole reply, its chunks put together. */
export interface ChunkedReply {
  cookie: bigint;
  /** 0 for a success. */
  error: number;
  text: string;
  errorOffset: number | undefined;
  /** The content chunks as they came: offset, length, and whether it was a hole. */
  content: { offset: number; length: number; hole: boolean }[];
  /** What was read, holes as zeroes, in the order of the offsets. */
  data: Buffer;
  /** Length, flags, length, flags, ... */
  extents: number[] | undefined;
  /** Whether it was a simple reply. */
  simple: boolean;
}

/** The data of NBD_OPT_SET_META_CONTEXT and NBD_OPT_LIST_META_CONTEXT. */
export function contextBytes(name: string, queries: string[]): Buffer {
  const text = (string: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(string));
    return Buffer.concat([length, Buffer.from(string)]);
  };
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length);
  return Buffer.concat([text(name), count, ...queries.map(text)]);
}

interface Chunk {
  simple: boolean;
  isLast: boolean;
  type: number;
  cookie: bigint;
  offset: bigint | undefined;
  error: number;
  body: Buffer;
}

export class ChunkClient {
  readonly client: NbdClient;
  readonly style: Style;

  private constructor(client: NbdClient, style: Style) {
    this.client = client;
    this.style = style;
  }

  /** Connects to the default export with base:allocation, unless `queries` say something else. */
  static async go(
    address: BoundAddress,
    style: Style,
    queries: string[] = ['base:allocation'],
  ): Promise<ChunkClient> {
    const client = await NbdClient.connect(address);
    await client.greet();
    const wanted = [
      [style === 'extended' ? EXTENDED_HEADERS : STRUCTURED_REPLY, undefined],
      [SET_META_CONTEXT, contextBytes('', queries)],
      [GO, infoBytes('')],
    ] as const;
    for (const [option, data] of wanted) {
      const replies = await client.option(option, data);
      if (replies.at(-1)?.type !== 1) throw new Error(`option ${option} was refused`);
    }
    return new ChunkClient(client, style);
  }

  send(...requests: Request[]): void {
    const bytes = requests.map((request) => {
      if (this.style === 'structured') return requestBytes(request);
      const flags = request.flags ?? (request.type === 1 ? PAYLOAD_LEN : 0);
      return extendedRequestBytes({ ...request, flags });
    });
    this.client.write(Buffer.concat(bytes));
  }

  async ask(request: Request): Promise<ChunkedReply> {
    this.send(request);
    const reply = await this.reply(BigInt(request.offset ?? 0));
    if (reply.cookie !== (request.cookie ?? 0n)) throw new Error('another cookie');
    return reply;
  }

  /** The next reply; no chunk of another one may come in between. */
  async reply(requestOffset?: bigint): Promise<ChunkedReply> {
    const first = await this.#chunk();
    const chunks = [first];
    while (!chunks.at(-1)?.isLast) chunks.push(await this.#chunk());
    const reply: ChunkedReply = {
      cookie: first.cookie,
      error: first.error,
      text: '',
      errorOffset: undefined,
      content: [],
      data: Buffer.alloc(0),
      extents: undefined,
      simple: first.simple,
    };
    const parts: { offset: number; bytes: Buffer }[] = [];
    for (const chunk of chunks) {
      if (chunk.cookie !== first.cookie) throw new Error('a reply inside another one');
      if (requestOffset !== undefined && (chunk.offset ?? requestOffset) !== requestOffset) {
        throw new Error('an extended reply with another offset than its request');
      }
      this.#take(reply, parts, chunk);
    }
    parts.sort((a, b) => a.offset - b.offset);
    reply.data = Buffer.concat(parts.map(({ bytes }) => bytes));
    return reply;
  }

  destroy(): void {
    this.client.destroy();
  }

  async #chunk(): Promise<Chunk> {
    const magic = (await this.client.read(4)).readUInt32BE();
    if (magic === SIMPLE_MAGIC && this.style === 'structured') {
      const rest = await this.client.read(12);
      const [error, cookie] = [rest.readUInt32BE(), rest.readBigUInt64BE(4)];
      const body = Buffer.alloc(0);
      return { simple: true, isLast: true, type: NONE, cookie, offset: undefined, error, body };
    }
    const isExtended = this.style === 'extended';
    if (magic !== (isExtended ? EXTENDED_MAGIC : STRUCTURED_MAGIC)) throw new Error('bad magic');
    const header = await this.client.read(isExtended ? 28 : 16);
    const flags = header.readUInt16BE();
    if (flags > 1) throw new Error('unknown reply flags');
    const length = isExtended ? Number(header.readBigUInt64BE(20)) : header.readUInt32BE(12);
    return {
      simple: false,
      isLast: flags === 1,
      type: header.readUInt16BE(2),
      cookie: header.readBigUInt64BE(4),
      offset: isExtended ? header.readBigUInt64BE(12) : undefined,
      error: 0,
      body: await this.client.read(length),
    };
  }

  #take(
    reply: ChunkedReply,
    parts: { offset: number; bytes: Buffer }[],
    { body, type, isLast }: Chunk,
  ): void {
    switch (type) {
      case NONE:
        if (!isLast || body.length > 0) throw new Error('NONE in the wrong place');
        break;
      case OFFSET_DATA:
      case OFFSET_HOLE: {
        const offset = Number(body.readBigUInt64BE());
        const hole = type === OFFSET_HOLE;
        const bytes = hole ? Buffer.alloc(body.readUInt32BE(8)) : body.subarray(8);
        if (bytes.length === 0) throw new Error('an empty content chunk');
        if (hole && body.length !== 12) throw new Error('a hole of a wrong length');
        const overlaps = parts.some(
          (part) => part.offset < offset + bytes.length && offset < part.offset + part.bytes.length,
        );
        if (overlaps) throw new Error('content chunks that overlap');
        parts.push({ offset, bytes });
        reply.content.push({ offset, length: bytes.length, hole });
        break;
      }
      case BLOCK_STATUS:
      case BLOCK_STATUS_EXT:
        reply.extents = this.#extents(body, type);
        break;
      case ERROR:
      case ERROR_OFFSET: {
        const textBytes = body.readUInt16BE(4);
        reply.error = body.readUInt32BE();
        reply.text = body.toString('utf8', 6, 6 + textBytes);
        if (reply.error === 0) throw new Error('an error chunk without an error');
        const restBytes = body.length - 6 - textBytes;
        if (restBytes !== (type === ERROR ? 0 : 8)) throw new Error('an error of a wrong length');
        if (type === ERROR_OFFSET) reply.errorOffset = Number(body.readBigUInt64BE(6 + textBytes));
        break;
      }
      default:
        throw new Error(`an unknown chunk: ${type}`);
    }
  }

  #extents(body: Buffer, type: number): number[] {
    const isExtended = this.style === 'extended';
    if (isExtended !== (type === BLOCK_STATUS_EXT)) throw new Error('the wrong form of extents');
    if (body.readUInt32BE() !== 1) throw new Error('another context');
    const numbers: number[] = [];
    const [start, size] = isExtended ? [8, 8] : [4, 4];
    for (let at = start; at < body.length; at += size) {
      numbers.push(isExtended ? Number(body.readBigUInt64BE(at)) : body.readUInt32BE(at));
    }
    const isCounted = !isExtended || body.readUInt32BE(4) === numbers.length / 2;
    if (numbers.length === 0 || numbers.length % 2 !== 0 || !isCounted) {
      throw new Error('extents of a wrong length');
    }
    return numbers;
  }
}
