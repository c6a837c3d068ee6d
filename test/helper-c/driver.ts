// Starts the real helper with a fake library and speaks the protocol to it, frame by frame.
// VDDK_NBD_HELPER=path drives another build of it (sanitizers); the fake libraries are its
// neighbours.
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { Packr } from 'msgpackr';
import type { Test } from 'tap';
import { CALL_OPS, IO_OPS, type CallOp, type IoOp } from '../../src/helper/protocol.js';

export const HELPER = path.resolve(
  process.env['VDDK_NBD_HELPER'] ??
    path.join(import.meta.dirname, '../../build/helper/vddk-nbd-helper'),
);
const FAKE = path.resolve(path.dirname(HELPER), '../tests/fake');

/** Fake libraries by what they lack. */
export const LIBRARIES = {
  full: path.join(FAKE, 'lib64/libvixDiskLib.so.8'),
  bare6: path.join(FAKE, 'v6-bare/lib64/libvixDiskLib.so.6'),
  sync5: path.join(FAKE, 'v5-sync/lib64/libvixDiskLib.so.5'),
  noWait: path.join(FAKE, 'no-wait/lib64/libvixDiskLib.so.7'),
  noOpen: path.join(FAKE, 'no-open/lib64/libvixDiskLib.so.8'),
  noWrite: path.join(FAKE, 'no-write/lib64/libvixDiskLib.so.8'),
};

export const ARENA_BYTES = 8 << 20;
const WAIT_MS = 20_000;

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  int64AsType: 'auto' as 'bigint',
});

/** A frame: length, then the body. */
export function frame(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** A message as a frame. */
export function message(value: unknown): Buffer {
  return frame(Buffer.from(packr.pack(value)));
}

export interface Result {
  vixError: number | bigint;
  fields: Record<string, unknown>;
}
export interface LogEvent {
  level: string;
  text: string;
  dropped: number;
}
export type IoRequest = [op: IoOp, startSector: number, nrSectors: number, arenaOffset: number];

/** One helper process and everything it has said. */
export class Driver {
  readonly process: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly results = new Map<number, Result>();
  /** Answers to I/O, in order of arrival. */
  readonly done: { id: number; vixError: number | bigint }[] = [];
  /** How many DONE frames they came in. */
  doneFrames = 0;
  readonly logs: LogEvent[] = [];
  readonly panics: string[] = [];
  stderr = '';
  readonly readArena: number;
  readonly writeArena: number;
  readonly #control: Socket;
  #received: Buffer = Buffer.alloc(0);
  #nextId = 1;
  #changed: () => void = () => undefined;

  constructor(t: Test, options: { env?: Record<string, string>; parent?: string } = {}) {
    const dir = t.testdir({ read: '', write: '' });
    this.readArena = openSync(path.join(dir, 'read'), 'r+');
    this.writeArena = openSync(path.join(dir, 'write'), 'r+');
    ftruncateSync(this.readArena, ARENA_BYTES);
    ftruncateSync(this.writeArena, ARENA_BYTES);
    const stdio: StdioOptions = [
      'ignore',
      'ignore',
      'pipe',
      'pipe',
      this.readArena,
      this.writeArena,
    ];
    this.process = spawn(HELPER, [options.parent ?? String(process.pid)], {
      stdio,
      env: { ...process.env, TSAN_OPTIONS: 'halt_on_error=1', ...options.env },
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#control = this.process.stdio[3] as Socket;
    this.#control.on('data', (bytes: Buffer) => {
      this.#receive(bytes);
    });
    this.#control.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        resolve({ code, signal });
        this.#changed();
      });
    });
    t.teardown(async () => {
      this.process.kill('SIGKILL');
      await this.ended;
      closeSync(this.readArena);
      closeSync(this.writeArena);
      if (/Sanitizer|runtime error|breach/.test(this.stderr)) throw new Error(this.stderr);
    });
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Buffer): void {
    this.#control.write(bytes);
  }

  /** Stops and resumes reading what the helper says. */
  pause(): void {
    this.#control.pause();
  }
  resume(): void {
    this.#control.resume();
  }

  /** The end of the control stream. */
  end(): void {
    this.#control.end();
  }

  newId(): number {
    return this.#nextId++;
  }

  /** Sends a CALL without waiting; returns its id. */
  sendCall(op: CallOp, params: object = {}): number {
    const id = this.newId();
    this.sendRaw(message([1, id, CALL_OPS[op], params]));
    return id;
  }

  async result(id: number): Promise<Result> {
    await this.until(() => this.results.has(id), `the answer to CALL ${id}`);
    return this.results.get(id)!;
  }

  call(op: CallOp, params: object = {}): Promise<Result> {
    return this.result(this.sendCall(op, params));
  }

  hello(libraries: string[] = [LIBRARIES.full], more: object = {}): Promise<Result> {
    return this.call('HELLO', {
      version: 1,
      libraries,
      libdir: '/fake',
      readArenaBytes: ARENA_BYTES,
      writeArenaBytes: ARENA_BYTES,
      ...more,
    });
  }

  /** HELLO, CONNECT and OPEN, all of which must succeed. */
  async open(libraries?: string[], more: object = {}): Promise<void> {
    for (const result of [
      await this.hello(libraries, more),
      await this.call('CONNECT', { readOnly: false }),
      await this.call('OPEN', { path: '/disk.vmdk', flags: 0 }),
    ]) {
      if (result.vixError !== 0) throw new Error(JSON.stringify(result.fields));
    }
  }

  /** Sends one batch; returns the ids. */
  sendIo(...requests: IoRequest[]): number[] {
    const ids = requests.map(() => this.newId());
    const body: (number | bigint)[] = [2];
    requests.forEach(([op, start, count, offset], index) => {
      body.push(ids[index]!, IO_OPS[op], BigInt(start), count, offset);
    });
    this.sendRaw(message(body));
    return ids;
  }

  /** Sends one batch and waits for all answers; VixErrors in order of the requests. */
  async io(...requests: IoRequest[]): Promise<(number | bigint)[]> {
    const ids = this.sendIo(...requests);
    await this.answered(ids);
    return ids.map((id) => this.done.find((answer) => answer.id === id)!.vixError);
  }

  async answered(ids: number[]): Promise<void> {
    await this.until(() => {
      const seen = new Set(this.done.map((answer) => answer.id));
      return ids.every((id) => seen.has(id));
    }, 'answers to I/O');
  }

  async logged(pattern: RegExp): Promise<LogEvent> {
    const find = (): LogEvent | undefined => this.logs.find(({ text }) => pattern.test(text));
    await this.until(() => find() !== undefined, `a log event like ${pattern.source}`);
    return find()!;
  }

  /** Fills a part of the write arena; fills and reads a part of the read arena. */
  fill(offset: number, bytes: Buffer): void {
    writeSync(this.writeArena, bytes, 0, bytes.length, offset);
  }
  preset(offset: number, bytes: Buffer): void {
    writeSync(this.readArena, bytes, 0, bytes.length, offset);
  }
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    readSync(this.readArena, bytes, 0, length, offset);
    return bytes;
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (!condition()) {
      const ended = this.process.exitCode ?? this.process.signalCode;
      if (ended !== null && this.#control.destroyed)
        throw new Error(`helper ended (${ended}) before ${what}: ${this.stderr}`);
      if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const have = this.#received.length;
      const length = have < 4 ? 0 : this.#received.readUInt32BE(0);
      if (have < 4 || have < 4 + length) break;
      this.#take(packr.unpack(this.#received.subarray(4, 4 + length)) as unknown[]);
      this.#received = this.#received.subarray(4 + length);
    }
    this.#changed();
  }

  #take(body: unknown[]): void {
    if (body[0] === 3) {
      this.results.set(body[1] as number, {
        vixError: body[2] as number,
        fields: body[3] as Record<string, unknown>,
      });
    } else if (body[0] === 4) {
      this.doneFrames++;
      for (let i = 1; i < body.length; i += 2)
        this.done.push({ id: body[i] as number, vixError: body[i + 1] as number });
    } else if (body[1] === 'log') {
      this.logs.push(body[2] as LogEvent);
    } else {
      this.panics.push((body[2] as { text: string }).text);
    }
  }
}
