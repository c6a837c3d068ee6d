// The process of one helper: spawned, watched, killed, and cleaned up behind. The only importer of
// execa. Knows no protocol: live-helper.ts does. The rule: what counts is the exit event, for a
// dying process may have closed its streams long before.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '../base/clock.js';
import { checkSpawnDescriptors } from '../base/descriptors.js';
import { messageOf } from '../base/errors.js';
import { HELPER_DRAIN_MS, HELPER_LAST_WORDS_MAX, LOG_EVENT_BYTES_MAX } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { HelperEnd } from './helper.js';
import { LineCutter } from './line-cutter.js';

/** The same path from src/helper/ and from dist/helper/. */
const HELPER_PATH = fileURLToPath(new URL('../../build/helper/vddk-nbd-helper', import.meta.url));

/** Exit statuses that docs/helper-protocol.md gives a meaning. */
const STATUS_MEANINGS: Readonly<Record<number, string>> = {
  70: 'the library panicked',
  71: 'it received a frame that breaks the protocol',
  72: 'its control stream ended inside a call of the library',
  73: 'the library completed a request twice',
};

export interface ProcessOptions {
  /** Program and arguments; our process id is added. Default: the C helper. */
  command?: readonly string[];
  /** Where the library and its friends are: goes in front of LD_LIBRARY_PATH. */
  libraryDirs: readonly string[];
  readFd: number;
  writeFd: number;
  /** Where it gets a temporary directory of its own. Default: the system's. */
  temporaryDir?: string;
  clock: Clock;
  log: Log;
}

export class HelperProcess {
  readonly #options: ProcessOptions;
  readonly #onStarted: (control: Duplex) => Duplex;
  #pid: number | undefined = undefined;
  #killedBecause: string | undefined = undefined;
  #lastErrorLine = '';
  /** Resolves when the process is gone and its temp directory is removed. Never rejects. */
  readonly ended: Promise<HelperEnd>;

  /**
   * Starts it soon; `onStarted` gets the control stream before any data of it is read, and returns
   * the one that takes its place.
   */
  constructor(options: ProcessOptions, onStarted: (control: Duplex) => Duplex) {
    this.#options = options;
    this.#onStarted = onStarted;
    this.ended = this.#run();
  }

  /** Undefined before it has started and when it is gone. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** SIGKILL to it and all that it has started, or no start at all. The first reason counts. */
  kill(reason: string): void {
    if (this.#killedBecause !== undefined) return;
    this.#killedBecause = reason;
    if (this.#pid !== undefined) this.#killGroup(this.#pid);
  }

  /** Ends what is left of the group that the helper leads, or led. */
  #killGroup(pid: number): void {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (thrown) {
      // ESRCH is the rule: a helper that ended on its own has left nobody behind.
      if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return;
      this.#options.log.debug(`helper ${pid}: kill: ${messageOf(thrown)}`);
    }
  }

  async #run(): Promise<HelperEnd> {
    let directory: string | undefined;
    try {
      directory = await mkdtemp(join(this.#options.temporaryDir ?? tmpdir(), 'vddk-nbd-'));
      return await this.#live(directory);
    } catch (thrown) {
      return this.#neverLived(messageOf(thrown));
    } finally {
      if (directory !== undefined) await this.#remove(directory);
    }
  }

  async #live(directory: string): Promise<HelperEnd> {
    const { execa } = await import('execa');
    const { command = [HELPER_PATH], libraryDirs, readFd, writeFd } = this.#options;
    if (this.#killedBecause !== undefined) return this.#neverLived('not wanted any more');
    const [file = '', ...args] = command;
    checkSpawnDescriptors();
    const subprocess = execa(file, [...args, String(process.pid)], {
      buffer: false,
      detached: true,
      env: { ...libraryPath(libraryDirs), TMPDIR: directory },
      reject: false,
      // Any descriptor will do; execa's types stop at 9.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', readFd as 4, writeFd as 5],
    });
    if (subprocess.pid === undefined) {
      const { originalMessage } = (await subprocess) as { originalMessage?: string };
      return this.#neverLived(originalMessage ?? 'there is no process');
    }
    this.#pid = subprocess.pid;
    const exit = new Promise<[number | null, string | null]>((resolve) => {
      subprocess.once('exit', (...status) => {
        resolve(status);
      });
    });
    const { stdout, stderr } = subprocess;
    this.#watch(stdout, `helper ${this.#pid} stdout`, () => undefined);
    this.#watch(stderr, `helper ${this.#pid} stderr`, (line) => {
      this.#lastErrorLine = line.slice(0, HELPER_LAST_WORDS_MAX);
    });
    const control = this.#onStarted(subprocess.stdio[3] as unknown as Duplex);
    const [exitCode, signal] = await exit;
    // Whatever its end was, nothing that it has started may write to the disk after this.
    this.#killGroup(subprocess.pid);
    this.#pid = undefined;
    await this.#drain([control, stdout, stderr]);
    return this.#died(exitCode, signal);
  }

  #died(exitCode: number | null, signal: string | null): HelperEnd {
    const reason = this.#killedBecause ?? this.#describe(exitCode, signal);
    return { reason, exitCode: exitCode ?? undefined, signal: signal ?? undefined };
  }

  #neverLived(why: string): HelperEnd {
    const { command } = this.#options;
    const hint = command === undefined && !existsSync(HELPER_PATH) ? ' (run make)' : '';
    const reason = this.#killedBecause ?? `could not be started: ${why}${hint}`;
    return { reason, exitCode: undefined, signal: undefined };
  }

  /** What the process did on its own, and the last it said about it. */
  #describe(exitCode: number | null, signal: string | null): string {
    const meaning = STATUS_MEANINGS[exitCode ?? 0];
    const fatal = signal ?? signalOfStatus(exitCode ?? 0);
    const fate =
      fatal !== undefined
        ? `was killed by ${fatal}`
        : `exited with status ${exitCode ?? 0}${meaning === undefined ? '' : ` (${meaning})`}`;
    return this.#lastErrorLine === '' ? fate : `${fate}: ${this.#lastErrorLine}`;
  }

  /** Logs the lines of `output`. */
  #watch(output: Readable, name: string, onLine: (line: string) => void): void {
    const { log } = this.#options;
    const lines = new LineCutter(LOG_EVENT_BYTES_MAX, (line) => {
      log.debug(`${name}: ${line}`);
      onLine(line);
    });
    output.on('error', (error) => {
      log.debug(`${name}: ${error.message}`);
    });
    output.on('data', (chunk: Buffer) => {
      lines.push(chunk);
    });
    output.on('end', () => {
      lines.end();
    });
  }

  /** Waits for the ends of the streams of a dead process, then destroys them. */
  async #drain(streams: readonly Readable[]): Promise<void> {
    const open = streams.filter((stream) => !stream.closed);
    const killed = this.#killedBecause !== undefined;
    if (open.length > 0 && !killed) {
      let timer: Timer | undefined;
      const late = new Promise<void>((resolve) => {
        timer = this.#options.clock.after(HELPER_DRAIN_MS, resolve);
      });
      const closed = open.map((stream) => new Promise((resolve) => stream.once('close', resolve)));
      await Promise.race([Promise.all(closed), late]);
      timer?.cancel();
    }
    for (const stream of streams) stream.destroy();
  }

  async #remove(directory: string): Promise<void> {
    try {
      await rm(directory, { recursive: true, force: true });
    } catch (thrown) {
      this.#options.log.warning(`can't remove ${directory}: ${messageOf(thrown)}`);
    }
  }
}

/** The helper's handlers of fatal signals exit with 128 and the signal, to leave no core file. */
function signalOfStatus(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number)?.[0];
}

/** LD_LIBRARY_PATH for the helper alone: `directories`, then what the caller has. */
function libraryPath(directories: readonly string[]): { LD_LIBRARY_PATH?: string } {
  const inherited = process.env['LD_LIBRARY_PATH'];
  // An empty element would mean the current directory.
  const path = [...directories, inherited ?? ''].filter((element) => element !== '');
  return path.length === 0 ? {} : { LD_LIBRARY_PATH: path.join(':') };
}
