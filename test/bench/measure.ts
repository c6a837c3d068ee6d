// One measurement of one server, and how much of the machine others had meanwhile. A shared machine
// makes figures worthless; so a round that was disturbed is made again, as often as patience
// allows, and what remains disturbed says so.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { machineSeconds, processorSeconds } from './processes.js';
import { type BenchDisk, RunningServer, type ServerKind } from './servers.js';

/** Runs of the same work before the one that counts: a server of a long copy is warm. */
const WARM_UP_RUNS = 2;
/** A round in which others had more than this of one processor is made again. */
const FOREIGN_MAX = 0.15;

export interface Measured {
  value: number;
  /** Processors that others kept busy, on average. */
  foreign: number;
}

/** Runs `work` on a server of its own; the time of processes that we wait for is not foreign. */
export async function measureOn(
  kind: ServerKind,
  disk: BenchDisk,
  work: (server: RunningServer) => Promise<number>,
  probe?: (uri: string) => [string, ...string[]],
): Promise<Measured> {
  const foreignSeconds = (): number => machineSeconds() - processorSeconds([process.pid]);
  const before = foreignSeconds();
  const startedMs = performance.now();
  const socket = path.join(path.dirname(disk.flat), 'socket');
  const server = await RunningServer.start(kind, disk, socket, probe);
  let value: number;
  try {
    value = await work(server);
  } finally {
    await server.stop();
    rmSync(socket, { force: true });
  }
  const tookS = (performance.now() - startedMs) / 1000;
  return { value, foreign: Math.max(0, foreignSeconds() - before) / tookS };
}

/** What `run` yields in servers that have done the same for a while. */
export async function whenWarm(run: () => Promise<number>): Promise<number> {
  for (let done = 0; done < WARM_UP_RUNS; done++) await run();
  return run();
}

/** One round: a value of each server, one directly after the other; again if it was disturbed. */
export async function undisturbed(
  round: () => Promise<Measured[]>,
  patience: number,
): Promise<Measured[]> {
  const worst = (values: readonly Measured[]): number =>
    Math.max(...values.map(({ foreign }) => foreign));
  let best = await round();
  for (let again = 0; again < patience && worst(best) > FOREIGN_MAX; again += 1) {
    const next = await round();
    if (worst(next) < worst(best)) best = next;
  }
  return best;
}
