// One round of chaos: a library with faults, a server over it, a real client, and kills from
// outside, all drawn from a seed. What was drawn repeats with the seed; the moments do not.
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run, type Server, shortDir, startServer } from '../lib/serve.js';
import { Random } from '../sim/random.js';
import { CLIENTS, type ChaosClient } from './clients.js';
import { FAULT_LIBDIR, type Figures, figuresOf, MIB, sameContent, sleep } from './rehearsal.js';
import { writeRandom } from './rehearsal.js';

const DISK_BYTES = 40 * MIB;

/** What a round is: see plan(). */
export interface Round {
  seed: number;
  client: ChaosClient;
  rules: string[];
  /** Rules that could also fail the first open: they come when the disk is served. */
  laterRules: string;
  args: string[];
  /** Mean time between two kills from outside; Infinity: none. */
  killMs: number;
}

/** A round's outcome; `wrong` is undefined if all was right. */
export interface RoundResult {
  wrong: string | undefined;
  figures: Figures;
  kills: number;
}

export function planRound(seed: number): Round {
  const random = new Random(seed);
  const client = CLIENTS[seed % CLIENTS.length]!;
  const own = (): string => `seed=${random.below(1_000_000)}`;
  const isShort = random.chance(0.15);
  const crash = random.pick(['segv', 'abort', 'exit', 'panic']);
  // A host short of memory takes many calls for one request: then it must not crash as often.
  const often = client.isBulky ? 0.05 : random.pick([0.002, 0.005, 0.01]);
  const rules = [`crash=${crash} p=${isShort ? 0.0005 : often} ${own()}`];
  if (random.chance(0.8)) rules.push('volatile=400M');
  if (random.chance(0.4)) rules.push(`late-write=200ms${random.chance(0.5) ? ' hold' : ''}`);
  if (random.chance(0.4)) rules.push(`flush=fail-then-ok nth=${1 + random.below(4)}`);
  if (random.chance(0.3)) rules.push(`complete=${random.pick(['late', 'shuffle', 'inline'])}`);
  if (random.chance(0.3)) rules.push(`delay=${random.pick([100, 500, 2000])}us`);
  if (random.chance(0.3)) rules.push(`session-lost after=${100 + random.below(400)}`);
  const laterRules = random.chance(0.3) ? `error=14009 at=Open p=0.3 ${own()}` : '';
  if (isShort) rules.push('nomem requests=4 bytes=512K');
  const hangs = random.chance(0.3);
  if (hangs) rules.push(`hang p=0.0005 ${own()}`);
  const args = [hangs ? '--request-timeout=1s' : '--request-timeout=25s'];
  if (random.chance(0.3)) args.push('--no-spare');
  return { seed, client, rules, laterRules, args, killMs: random.pick([Infinity, 300, 1500]) };
}

/** Kills whatever helper there is, again and again, until `isOver`. Returns how often. */
async function kill(server: Server, meanMs: number, random: Random, isOver: () => boolean) {
  let kills = 0;
  while (meanMs < Infinity && !isOver()) {
    await sleep(random.between(0.2, 1.8) * meanMs);
    const { helper } = server;
    if (isOver() || helper === undefined) continue;
    try {
      process.kill(helper, 'SIGKILL');
      kills++;
    } catch {
      // It died by itself in this moment.
    }
  }
  return kills;
}

/** Runs a round. What it makes is in a directory that `t` removes. */
export async function runRound(
  t: { teardown: (end: () => unknown) => unknown },
  { seed, client, rules, laterRules, args, killMs }: Round,
): Promise<RoundResult> {
  const random = new Random(seed + 1);
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  writeRandom(file('disk.before'), DISK_BYTES);
  copyFileSync(file('disk.before'), file('disk.img'));
  if (client.compares === 'copy') copyFileSync(file('disk.before'), file('source'));
  else writeRandom(file('source'), DISK_BYTES);
  const server = await startServer(
    t,
    [...args, '-U', file('socket'), FAULT_LIBDIR, `file=${file('disk.img')}`],
    {
      env: { FAULT_STATE: file('state'), FAULT: rules.join('\n'), FAULT_FILE: file('rules') },
    },
  );
  if (laterRules !== '') {
    writeFileSync(file('rules.new'), laterRules);
    renameSync(file('rules.new'), file('rules'));
  }
  const [command, ...commandArgs] = client.command(server.uri!, dir, random);
  let isOver = false;
  const killing = kill(server, killMs, random, () => isOver);
  const result = await run(command, commandArgs, {
    ...{ timeout: 300_000, cwd: dir },
    // nbdsh needs the python that libnbd was installed for.
    env: { PATH: `/usr/bin:${process.env['PATH'] ?? ''}` },
  });
  isOver = true;
  const kills = await killing;
  const stop = await server.stop();
  const figures = figuresOf(stop.stderr);
  let wrong: string | undefined;
  if (result.exitCode !== 0) {
    wrong = `${command} ended with ${result.exitCode}: ${result.stderr.slice(-600)}`;
  } else if (stop.exitCode !== 0) {
    wrong = `the server ended with ${stop.exitCode}`;
  } else if (/breach/.test(stop.stderr)) {
    wrong = 'a rule of the library was broken';
  } else if (client.compares !== 'nothing') {
    const compared = client.compares === 'copy' ? 'copy' : 'disk.img';
    if (!sameContent(file('source'), file(compared))) wrong = `${compared} has other bytes`;
  }
  if (wrong !== undefined) wrong += `\n${stop.stderr.slice(-3000)}`;
  return { wrong, figures, kills };
}
