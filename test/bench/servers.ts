// The servers that are compared, all on the bytes of one VMDK: ours, nbdkit's file plugin on the
// flat extent, and qemu-nbd. Only processes that were started here are ended.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';

/**
 * What is served: a monolithicFlat VMDK, and its extent, which has the same bytes as a raw file.
 */
export interface BenchDisk {
  vmdk: string;
  flat: string;
}

export interface ServerKind {
  name: string;
  command: (disk: BenchDisk, socket: string) => [string, ...string[]];
}

export const SERVERS: readonly ServerKind[] = [
  {
    name: 'vddk-nbd',
    command: ({ vmdk }, socket) =>
      [...[process.execPath, 'bin/run.js', 'serve', vmdk, 'engine=builtin'], ...['-U', socket]] as [
        string,
        ...string[],
      ],
  },
  {
    name: 'nbdkit file',
    command: ({ flat }, socket) => ['nbdkit', '-f', '-U', socket, 'file', flat],
  },
  {
    name: 'qemu-nbd',
    command: ({ vmdk }, socket) => ['qemu-nbd', '-t', '-e', '16', '-f', 'vmdk', '-k', socket, vmdk],
  },
];

const START_TRIES = 10_000;
const START_PAUSE_MS = 1;

function parentOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** `pid` and its children. */
function family(pid: number): number[] {
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && parentOf(name) === pid,
  );
  return [pid, ...children.map(Number)];
}

function spawn(file: string, args: string[]) {
  return execa(file, args, { reject: false, stdin: 'ignore' });
}

/** A server that answers. */
export class RunningServer {
  readonly #process: ReturnType<typeof spawn>;
  readonly uri: string;
  /** From its start to the first answered nbdinfo. */
  startMs = 0;

  #over = false;

  private constructor(child: ReturnType<typeof spawn>, socket: string) {
    this.#process = child;
    void child.finally(() => (this.#over = true));
    this.uri = `nbd+unix:///?socket=${socket}`;
  }

  static async start(kind: ServerKind, disk: BenchDisk, socket: string): Promise<RunningServer> {
    const [file, ...args] = kind.command(disk, socket);
    const startedMs = performance.now();
    const child = spawn(file, args);
    const server = new RunningServer(child, socket);
    for (let tries = 0; tries < START_TRIES; tries += 1) {
      // Asking before there is a socket would take processor time away from the start.
      if (existsSync(socket)) {
        const info = await execa('nbdinfo', ['--size', server.uri], { reject: false });
        server.startMs = performance.now() - startedMs;
        if (info.exitCode === 0) return server;
      }
      if (server.#over) break;
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
    throw new Error(`${kind.name} did not start: ${(await child).stderr}`);
  }

  /** Proportional set size of the server and its children: shared pages are counted once. */
  memoryMib(): number {
    let kib = 0;
    for (const pid of family(this.#process.pid ?? 0)) {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      kib += Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0);
    }
    return kib / 1024;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#process;
  }
}
