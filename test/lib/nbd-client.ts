// An NBD client for tests: speaks the wire by hand, so that it can also speak it wrongly.
// It reads what the server sends byte by exact byte, and knows when the server has hung up.
import { connect, type Socket } from 'node:net';
import type { BoundAddress } from '../../src/server/listening-socket.js';

export const IHAVEOPT = Buffer.from('IHAVEOPT');
export const FIXED_NEWSTYLE_NO_ZEROES = 3;

export interface OptionReply {
  option: number;
  type: number;
  data: Buffer;
}

export interface Reply {
  error: number;
  cookie: bigint;
  data: Buffer;
}

export interface Request {
  type: number;
  flags?: number;
  cookie?: bigint;
  offset?: number | bigint;
  length?: number | bigint;
  magic?: number;
  data?: Buffer;
}

/** An option as it goes over the wire. */
export function optionBytes(option: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  IHAVEOPT.copy(header);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** The data of NBD_OPT_GO and NBD_OPT_INFO. */
export function infoBytes(name: string, asked: number[] = []): Buffer {
  const bytes = Buffer.alloc(6 + Buffer.byteLength(name) + 2 * asked.length);
  bytes.writeUInt32BE(Buffer.byteLength(name));
  const at = 4 + bytes.write(name, 4);
  bytes.writeUInt16BE(asked.length, at);
  for (const [i, type] of asked.entries()) bytes.writeUInt16BE(type, at + 2 + 2 * i);
  return bytes;
}

/** A request as it goes over the wire, with its payload. */
export function requestBytes(request: Request): Buffer {
  const { data = Buffer.alloc(0) } = request;
  const header = Buffer.alloc(28);
  header.writeUInt32BE(request.magic ?? 0x25609513, 0);
  header.writeUInt16BE(request.flags ?? 0, 4);
  header.writeUInt16BE(request.type, 6);
  header.writeBigUInt64BE(request.cookie ?? 0n, 8);
  header.writeBigUInt64BE(BigInt(request.offset ?? 0), 16);
  header.writeUInt32BE(Number(request.length ?? data.length), 24);
  return Buffer.concat([header, data]);
}

/** The same with an extended header. The flags say themselves whether there is a payload. */
export function extendedRequestBytes(request: Request): Buffer {
  const { data = Buffer.alloc(0) } = request;
  const compact = requestBytes({ ...request, length: 0, data: Buffer.alloc(0) });
  compact.writeUInt32BE(request.magic ?? 0x21e41c71, 0);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(request.length ?? data.length));
  return Buffer.concat([compact.subarray(0, 24), length, data]);
}

export class NbdClient {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #hungUp = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    const hungUp = (): void => {
      this.#hungUp = true;
      this.#wake();
    };
    socket.on('end', hungUp);
    socket.on('error', hungUp);
    socket.on('close', hungUp);
  }

  static async connect(address: BoundAddress): Promise<NbdClient> {
    const socket = address.kind === 'unix' ? connect(address.path) : connect(address);
    const client = new NbdClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Connects and chooses the default export. */
  static async go(address: BoundAddress): Promise<NbdClient> {
    const client = await NbdClient.connect(address);
    await client.greet();
    const replies = await client.option(7, infoBytes(''));
    if (replies.at(-1)?.type !== 1) throw new Error('NBD_OPT_GO was refused');
    return client;
  }

  /** Exactly `length` bytes; throws if the server hangs up before. */
  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.#hungUp) throw new Error(`hung up, ${this.#bytes.length} of ${length} bytes here`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** Everything up to the server's hanging up. */
  async rest(): Promise<Buffer> {
    while (!this.#hungUp) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#bytes;
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Reads the greeting and answers with client flags; returns the handshake flags. */
  async greet(clientFlags = FIXED_NEWSTYLE_NO_ZEROES): Promise<number> {
    const greeting = await this.read(18);
    const flags = Buffer.alloc(4);
    flags.writeUInt32BE(clientFlags);
    this.write(flags);
    return greeting.readUInt16BE(16);
  }

  /** Sends an option; returns its replies, the final one last. */
  async option(option: number, data?: Buffer): Promise<OptionReply[]> {
    this.write(optionBytes(option, data));
    return this.optionReplies();
  }

  /** The replies to one option that was sent, the final one last. */
  async optionReplies(): Promise<OptionReply[]> {
    const replies: OptionReply[] = [];
    for (;;) {
      const header = await this.read(20);
      const type = header.readUInt32BE(12);
      const body = await this.read(header.readUInt32BE(16));
      replies.push({ option: header.readUInt32BE(8), type, data: body });
      if (type === 1 || type >= 0x80000000) return replies;
    }
  }

  send(...requests: Request[]): void {
    this.write(Buffer.concat(requests.map(requestBytes)));
  }

  /** The next reply, with a payload of `payloadBytes` if it is a success. */
  async reply(payloadBytes = 0): Promise<Reply> {
    const header = await this.read(16);
    if (header.readUInt32BE(0) !== 0x67446698) throw new Error('bad reply magic');
    const error = header.readUInt32BE(4);
    const data = await this.read(error === 0 ? payloadBytes : 0);
    return { error, cookie: header.readBigUInt64BE(8), data };
  }

  /** Sends one request and waits for its reply; a read gets its payload. */
  async ask(request: Request): Promise<Reply> {
    this.send(request);
    return this.reply(request.type === 0 ? Number(request.length ?? 0) : 0);
  }

  destroy(): void {
    this.socket.destroy();
  }
}
