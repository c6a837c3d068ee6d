// A server that is measured, from its start to its end. Only processes that were started here are
// ended.
import { existsSync } from 'node:fs';
import { execa } from 'execa';
import { clientCommand, serverCommand } from './real-time.js';
import { family, processorSeconds, pssMib } from './processes.js';

/**
 * What is served: an image, and the raw file with its bytes, where they are two.
 */
export interface BenchDisk {
  vmdk: string;
  flat: string;
}

export interface ServerKind {
  name: string;
  command: (disk: BenchDisk, socket: string) => [string, ...string[]];
  env?: Record<string, string>;
}

const START_TRIES = 10_000;
const START_PAUSE_MS = 1;

function spawn(file: string, args: string[], env: Record<string, string>) {
  return execa(file, args, { reject: false, stdin: 'ignore', env });
}

/** A server that answers. */
export class RunningServer {
  readonly #process: ReturnType<typeof spawn>;
  readonly uri: string;
  readonly socket: string;
  /** From its start to the first answered nbdinfo. */
  startMs = 0;

  #over = false;

  private constructor(child: ReturnType<typeof spawn>, socket: string) {
    this.#process = child;
    void child.finally(() => (this.#over = true));
    this.socket = socket;
    this.uri = `nbd+unix:///?socket=${socket}`;
  }

  /** `probe` asks it something through the socket that is given; its exit code 0 is an answer. */
  static async start(
    kind: ServerKind,
    disk: BenchDisk,
    socket: string,
    probe: (uri: string) => [string, ...string[]] = (uri) => ['nbdinfo', '--size', uri],
  ): Promise<RunningServer> {
    const [file, ...args] = serverCommand(kind.command(disk, socket));
    const startedMs = performance.now();
    const child = spawn(file, args, kind.env ?? {});
    const server = new RunningServer(child, socket);
    for (let tries = 0; tries < START_TRIES; tries += 1) {
      // Asking before there is a socket would take processor time away from the start.
      if (existsSync(socket)) {
        const [client, ...words] = clientCommand(probe(server.uri));
        const info = await execa(client, words, { reject: false });
        server.startMs = performance.now() - startedMs;
        if (info.exitCode === 0) return server;
      }
      if (server.#over) break;
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
    throw new Error(`${kind.name} did not start: ${(await child).stderr}`);
  }

  get #pids(): number[] {
    return family(this.#process.pid ?? 0);
  }

  memoryMib(): number {
    return pssMib(this.#pids);
  }

  processorSeconds(): number {
    return processorSeconds(this.#pids);
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#process;
  }
}
