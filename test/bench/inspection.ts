// `make bench-inspection`: the first phase of a migration, in which tools look into the guest's
// file systems: many small reads, one after the other, many of them again and again. What the tools
// of e2fsprogs read of an ext4 image is recorded, and read again through each server, whose library
// answers after FAULT_LATENCY_US (1000). NBDKIT names an nbdkit with the vddk plugin, if there is
// one. Settings: BENCH_ROUNDS.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { median, number, setting } from './figures.js';

const SECTOR_BYTES = 512;
const LIBDIR = path.resolve('build/fault');

/** What an inspection runs, each with cold caches of its own; IMAGE stands for the image. */
const TOOLS: readonly string[][] = [
  ['blkid', '-p', 'IMAGE'],
  ['dumpe2fs', '-h', 'IMAGE'],
  ...['package.json', 'README.md', 'LICENSE'].map((file) => cat(`/typescript/${file}`)),
  ...['/', '/typescript', '/typescript/lib', '/eslint', '/eslint/lib'].map(list),
  ['e2fsck', '-fn', 'IMAGE'],
  ...['package.json', 'README.md', 'LICENSE'].map((file) => cat(`/eslint/${file}`)),
  ['debugfs', '-R', 'rdump /eslint OUT', 'IMAGE'],
];

function cat(file: string): string[] {
  return ['debugfs', '-R', `cat ${file}`, 'IMAGE'];
}

function list(directory: string): string[] {
  return ['debugfs', '-R', `ls -l ${directory}`, 'IMAGE'];
}

/** Offset and length in bytes, whole sectors. */
type Read = [number, number];

/** An ext4 file system of 512 MiB with packages that every checkout has. */
async function makeImage(directory: string): Promise<string> {
  const image = path.join(directory, 'guest.img');
  const root = path.join(directory, 'root');
  await execa('mkdir', [root]);
  await execa('cp', ['-rL', 'node_modules/typescript', 'node_modules/eslint', root]);
  await execa('truncate', ['-s', '512M', image]);
  await execa('mkfs.ext4', ['-q', '-F', '-b', '4096', '-d', root, image]);
  await execa('rm', ['-r', root]);
  return image;
}

/** Reads of `image` in a trace by strace, rounded out to sectors. */
function readsIn(trace: string): Read[] {
  const reads: Read[] = [];
  const positions = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const match = /^(\d+) (\w+)\((\d+)<.*?(?:, (\d+))?\) = (\d+)$/.exec(line);
    if (!match) continue;
    const [, pid = '', call = '', fd = '', last, result = '0'] = match;
    const file = `${pid}:${fd}`;
    if (call === 'lseek') {
      positions.set(file, Number(result));
      continue;
    }
    const at = call === 'pread64' ? Number(last) : (positions.get(file) ?? 0);
    if (call === 'read') positions.set(file, at + Number(result));
    const start = Math.floor(at / SECTOR_BYTES) * SECTOR_BYTES;
    const end = Math.ceil((at + Number(result)) / SECTOR_BYTES) * SECTOR_BYTES;
    if (end > start) reads.push([start, end - start]);
  }
  return reads;
}

async function record(image: string, directory: string): Promise<Read[]> {
  const reads: Read[] = [];
  const trace = path.join(directory, 'trace');
  for (const tool of TOOLS) {
    const words = tool.map((word) => word.replace('IMAGE', image).replace('OUT', directory));
    const filter = ['-f', '-qq', '-y', '-s0', '-e', 'trace=pread64,read,lseek', '-P', image];
    await execa('strace', [...filter, '-o', trace, ...words], { reject: false });
    reads.push(...readsIn(readFileSync(trace, 'utf8')));
  }
  return reads;
}

const REPLAY = [
  'import json, nbd, sys, time',
  'h = nbd.NBD()',
  'h.connect_uri(sys.argv[1])',
  'reads = json.load(open(sys.argv[2]))',
  'start = time.time()',
  'for offset, length in reads: h.pread(length, offset)',
  'print(time.time() - start)',
].join('\n');

/** Seconds that all reads take, one after the other, through a server that runs a command. */
async function replay(server: readonly string[], directory: string): Promise<number> {
  const script = path.join(directory, 'replay.py');
  writeFileSync(script, REPLAY);
  const run = `/usr/bin/python3 ${script} "$uri" ${path.join(directory, 'reads.json')}`;
  const [file = '', ...args] = server;
  const { stdout } = await execa(file, [...args, '--run', run], {
    env: { FAULT: 'any-thread', FAULT_LATENCY_US: process.env['FAULT_LATENCY_US'] ?? '1000' },
  });
  return Number(stdout.trim());
}

function serversOf(image: string): Map<string, string[]> {
  const ours = [process.execPath, 'bin/run.js', 'serve', '-r', image, `libdir=${LIBDIR}`];
  const servers = new Map([
    ['vddk-nbd', ours],
    ['vddk-nbd --readahead=off', [...ours, '--readahead=off']],
    ['vddk-nbd --cache=off', [...ours, '--cache=off']],
    ['vddk-nbd --cache=off --readahead=off', [...ours, '--cache=off', '--readahead=off']],
  ]);
  const nbdkit = process.env['NBDKIT'];
  const plugin = ['-r', '-U', '-', 'vddk', image, `libdir=${LIBDIR}`];
  if (nbdkit) servers.set('nbdkit vddk', [nbdkit, ...plugin]);
  return servers;
}

const directory = mkdtempSync('/dev/shm/vddk-nbd-bench-');
try {
  const image = await makeImage(directory);
  const reads = await record(image, directory);
  writeFileSync(path.join(directory, 'reads.json'), JSON.stringify(reads));
  const mib = reads.reduce((sum, [, length]) => sum + length, 0) / 2 ** 20;
  const distinct = new Set(reads.map(String)).size;
  console.log(`${reads.length} reads, ${number(mib)} MiB, ${distinct} different ones`);
  const seconds = new Map<string, number[]>();
  for (let round = 0; round < setting('BENCH_ROUNDS', 5); round++) {
    for (const [name, server] of serversOf(image)) {
      const all = seconds.get(name) ?? [];
      all.push(await replay(server, directory));
      seconds.set(name, all);
    }
  }
  for (const [name, all] of seconds) {
    const range = `${number(Math.min(...all))} to ${number(Math.max(...all))}`;
    console.log(`${name.padEnd(40)} ${number(median(all))} s (${range})`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
