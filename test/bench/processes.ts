// What processes cost, from /proc: a server with all its descendants, those in sessions of their
// own too, and what everybody else takes of the machine meanwhile.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_S = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** The fields of /proc/PID/stat behind the name; undefined if it has ended. */
function statOf(pid: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** `pid` and all that descend from it. */
export function family(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = Number(statOf(name)?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [pid];
  for (const member of found) found.push(...(children.get(member) ?? []));
  return found;
}

/** Processor time of `pids`, and of children that they have waited for. */
export function processorSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statOf(String(pid));
    for (const field of fields?.slice(11, 15) ?? []) ticks += Number(field);
  }
  return ticks / TICKS_PER_S;
}

/** Proportional set size of `pids` in MiB: pages that are shared are counted once. */
export function pssMib(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      kib += Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return kib / 1024;
}

/** Processor time that the whole machine has spent since it was started. */
export function machineSeconds(): number {
  const [, ...fields] = /^cpu .*$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[0].split(/ +/) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields.map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_S;
}
