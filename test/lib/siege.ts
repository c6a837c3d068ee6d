// A server under attack: the built program with a library that tells on its caller (the fault
// engine), a note of what it holds while it is at peace, and the question whether an attack has
// left anything behind. For test/hostile/, which has one file for each misbehaviour.
// The rule: unharmed() is asked after each attack, when the attackers have gone.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import type { BoundAddress } from '../../src/server/listening-socket.js';
import { ChunkClient, type Style } from './chunk-client.js';
import { NbdClient } from './nbd-client.js';
import { type Rehearsal, rehearse } from './rehearse.js';
import { eventually, shortDir } from './serve.js';

export const [READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, BLOCK_STATUS] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;
export const [EPERM, EIO, EINVAL, ENOSPC] = [1, 5, 22, 28] as const;

/**
 * What a server may hold more than before, when an attack is over: what its heap has grown by and
 * the allocator keeps. Attacks are made large enough for a leak to be more.
 */
const SLACK_KIB = 64 * 1024;

/** Memory of its own that a process holds, in KiB: without files, and without the arenas. */
export function ownMemoryKib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** How many descriptors a process has open; undefined if we may not know. */
export function descriptors(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined; // The server is not dumpable: only root may look.
  }
}

/** What a peaceful server holds. */
interface Peace {
  helpers: number[];
  memoryKib: number;
  descriptors: number | undefined;
}

export class Siege {
  readonly rehearsal: Rehearsal;
  readonly address: BoundAddress;
  readonly #slackKib: number;
  #peace: Peace | undefined;

  constructor(rehearsal: Rehearsal, address: BoundAddress, slackKib: number) {
    this.rehearsal = rehearsal;
    this.address = address;
    this.#slackKib = slackKib;
  }

  get content(): Buffer {
    return this.rehearsal.content;
  }

  get log(): string {
    return this.rehearsal.server.stderr;
  }

  /** A client that has said nothing. */
  connect(): Promise<NbdClient> {
    return NbdClient.connect(this.address);
  }

  /** A client that is ready to ask. */
  go(): Promise<NbdClient> {
    return NbdClient.go(this.address);
  }

  /** So many of `make`, not all at once: a unix socket queues some hundred. */
  async many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
    const all: T[] = [];
    while (all.length < count) {
      const some = Math.min(100, count - all.length);
      all.push(...(await Promise.all(Array.from({ length: some }, make))));
    }
    return all;
  }

  chunks(style: Style): Promise<ChunkClient> {
    return ChunkClient.go(this.address, style);
  }

  /** Resolves when the log, from `mark` on, has said it so many times. */
  async says(pattern: RegExp, mark = 0, times = 1): Promise<void> {
    const all = new RegExp(pattern.source, 'g');
    await eventually(`${String(pattern)} in the log, ${times} times`, () => {
      return (this.log.slice(mark).match(all)?.length ?? 0) >= times;
    });
  }

  /** Server and helpers together. */
  get memoryKib(): number {
    const { pid, helpers } = this.rehearsal.server;
    return [pid, ...helpers].reduce((sum, each) => sum + ownMemoryKib(each), 0);
  }

  #descriptors(): number | undefined {
    return descriptors(this.rehearsal.server.pid);
  }

  /** One well-behaved client does a bit of everything. */
  async #serves(): Promise<boolean> {
    const client = await this.go();
    const data = Buffer.alloc(100_000, 0x5a);
    const offset = this.content.length - data.length - 7;
    const written = await client.ask({ type: WRITE, offset, data });
    data.copy(this.content, offset);
    const flushed = await client.ask({ type: FLUSH });
    let same = true;
    for (let at = 0; at < this.content.length; at += 1 << 20) {
      const { data: bytes } = await client.ask({ type: READ, offset: at, length: 1 << 20 });
      same &&= bytes.equals(this.content.subarray(at, at + (1 << 20)));
    }
    client.send({ type: DISC });
    await client.rest();
    return same && written.error === 0 && flushed.error === 0;
  }

  /** Notes what the server holds when all is well. */
  async atPeace(): Promise<void> {
    const { server } = this.rehearsal;
    await eventually('the spare helper', () => server.helpers.length === 2);
    for (let round = 0; round < 8; round++) await this.#serves();
    await eventually('no client', async () => {
      const before = this.#descriptors();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return before === this.#descriptors();
    });
    this.#peace = {
      helpers: server.helpers,
      memoryKib: this.memoryKib,
      descriptors: this.#descriptors(),
    };
  }

  /**
   * All is as it was: the next client is served, the same helpers live and none had to be replaced,
   * descriptors and memory are back.
   */
  async unharmed(t: Test, after: string): Promise<void> {
    const { server } = this.rehearsal;
    const { peace } = this;
    t.ok(await this.#serves(), `${after}: the next client is served`);
    t.same(server.helpers, peace.helpers, `${after}: no helper was harmed`);
    t.equal(this.rehearsal.deaths(), 0, `${after}: none was replaced`);
    await eventually(
      `${after}: ${peace.descriptors ?? ''} descriptors`,
      () => this.#descriptors() === peace.descriptors,
    );
    const limitKib = peace.memoryKib + this.#slackKib;
    t.comment(`${after}: ${this.memoryKib - peace.memoryKib} KiB more than at peace`);
    // Garbage is collected when there is new: by clients who come and go.
    await eventually(`${after}: at most ${limitKib} KiB of memory`, async () => {
      if (this.memoryKib <= limitKib) return true;
      await this.#serves();
      return this.memoryKib <= limitKib;
    });
  }

  get peace(): Peace {
    if (this.#peace === undefined) throw new Error('there was no peace before');
    return this.#peace;
  }
}

export interface SiegeOptions {
  /** More arguments of `serve`. */
  args?: string[];
  /** Rules of the fault engine. */
  fault?: string;
  /** How many descriptors the server may have. */
  nofile?: number;
  /** SLACK_KIB, for attacks that are worse. */
  slackKib?: number;
  /** TCP instead of a unix socket. */
  tcp?: boolean;
}

/** Starts a server with 8 MiB of random bytes and notes what it holds. */
export async function besiege(t: Test, options: SiegeOptions = {}): Promise<Siege> {
  const { args = [], fault = 'check', slackKib = SLACK_KIB, tcp = false } = options;
  const limit = options.nofile === undefined ? {} : { nofile: options.nofile };
  const socket = path.join(shortDir(t), 's');
  const place = tcp ? ['-p', '0'] : ['-U', socket];
  const rehearsal = await rehearse(t, fault, { args, listen: place, ...limit });
  const port = tcp ? Number(new URL(rehearsal.server.uri!).port) : 0;
  const address: BoundAddress = tcp
    ? { kind: 'tcp', host: '127.0.0.1', port }
    : { kind: 'unix', path: socket };
  const siege = new Siege(rehearsal, address, slackKib);
  await siege.atPeace();
  return siege;
}
