// The built program as a child: started, waited for, looked at, stopped. For end-to-end tests.
// The rule: only processes that were started here are ever signalled.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa, type Options } from 'execa';

export const REPO = path.resolve(import.meta.dirname, '../..');
export const RUN = path.join(REPO, 'bin/run.js');

/** Longest wait for anything that a healthy program does at once. */
const PATIENCE_MS = 60_000;

/** How a process ended. */
export interface Ended {
  exitCode: number | undefined;
  signal: string | undefined;
  stdout: string;
  stderr: string;
}

/** What of a test is needed here. */
interface Teardown {
  teardown: (end: () => unknown) => unknown;
}

/** A directory whose path is short enough for a unix socket in it; removed after the test. */
export function shortDir(t: Teardown): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'e2e-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

const CAPTURE = { reject: false, stdin: 'ignore', all: false } as const satisfies Options;

function ended(result: {
  exitCode?: number;
  signal?: string;
  stdout?: unknown;
  stderr?: unknown;
}): Ended {
  return {
    exitCode: result.exitCode,
    signal: result.signal,
    stdout: String(result.stdout),
    stderr: String(result.stderr),
  };
}

/** What a served --run looks like: the ready line alone on stderr. Matching it shows what isn't. */
export const SERVED = { exitCode: 0, stderr: /^vddk-nbd: nbd\S* serves [^\n]*$/ };

/** Runs `vddk-nbd serve ARGS` to its end: for --run and for failures to start. */
export async function runServe(args: string[], options: Options = {}): Promise<Ended> {
  const timeout = { timeout: PATIENCE_MS * 3, killSignal: 'SIGKILL' } as const;
  return ended(await execa(RUN, ['serve', ...args], { ...CAPTURE, ...timeout, ...options }));
}

/** Runs another program to its end; an exit code other than 0 is in the result, never thrown. */
export async function run(file: string, args: string[], options: Options = {}): Promise<Ended> {
  return ended(await execa(file, args, { ...CAPTURE, ...options }));
}

/** Runs another program that must succeed. */
export async function must(file: string, args: string[], options: Options = {}): Promise<string> {
  const result = await run(file, args, options);
  if (result.exitCode === 0) return result.stdout;
  throw new Error(`${file} ${args.join(' ')}: ${result.exitCode ?? ''} ${result.stderr}`);
}

/** Resolves when `check` is true; rejects after PATIENCE_MS. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let waitedMs = 0; !(await check()); waitedMs += 20) {
    if (waitedMs > PATIENCE_MS) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface ProcessRow {
  pid: number;
  parent: number;
  state: string;
}

function processRow(pid: string): ProcessRow | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid: Number(pid), parent: Number(parent), state };
  } catch {
    return undefined; // It ended while we looked.
  }
}

/**
 * Whether the process runs; a zombie does not. Its first thread may be one while another has not
 * let go of the files yet.
 */
export function isRunning(pid: number): boolean {
  const row = processRow(String(pid));
  return row !== undefined && (row.state !== 'Z' || threadsOf(pid) > 1);
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0; // It ended while we looked.
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return ''; // It ended while we looked.
  }
}

/** Running children of `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(processRow)
    .filter((row) => row !== undefined && row.parent === pid && row.state !== 'Z')
    .map((row) => row!.pid);
}

/** How a server is started; `nofile` is how many descriptors it may have. */
export type ServerOptions = Options & { nofile?: number };

function spawnServe(args: string[], { nofile, ...options }: ServerOptions) {
  const limit = nofile === undefined ? [] : ['prlimit', `--nofile=${nofile}`];
  const [file, ...rest] = [...limit, RUN, 'serve', ...args];
  return execa(file!, rest, { ...options, ...CAPTURE });
}

/** A server that says that it can be connected to. */
export class Server {
  readonly #child: ReturnType<typeof spawnServe>;
  readonly #end: Promise<Ended>;
  #stderr = '';
  #over = false;

  constructor(args: string[], options: ServerOptions) {
    this.#child = spawnServe(args, options);
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#end = this.#child.then((result) => {
      this.#over = true;
      return ended(result);
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The URI that stands between spaces in the ready line. */
  get uri(): string | undefined {
    return / (nbds?(?:\+unix)?:\/\/\S+)\s/.exec(this.#stderr)?.[1];
  }

  /** The helpers of the disks that are open. (The other child is the janitor.) */
  get helpers(): number[] {
    return childrenOf(this.pid).filter((pid) => nameOf(pid) === 'vddk-nbd-helper');
  }

  /** The helper of the only disk. */
  get helper(): number | undefined {
    return this.helpers[0];
  }

  async ready(): Promise<this> {
    await eventually('the ready line', () => this.#over || this.uri !== undefined);
    if (this.uri === undefined) throw new Error(`it did not start: ${this.#stderr}`);
    return this;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves when it has ended, whoever ended it. */
  get end(): Promise<Ended> {
    return this.#end;
  }

  async stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return this.#end;
  }
}

/** Starts a server, waits until it is ready, and has it killed at the end of the test. */
export async function startServer(
  t: Teardown,
  args: string[],
  options: ServerOptions = {},
): Promise<Server> {
  const server = new Server(args, options);
  t.teardown(() => {
    server.signal('SIGKILL');
    return server.end;
  });
  return server.ready();
}
