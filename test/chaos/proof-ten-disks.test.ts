// Proof: ten disks in one server, one of them crashing constantly. The other nine keep their
// throughput: each has a paced load, which they must be able to go on with.
import path from 'node:path';
import t from 'tap';
import { run, type Server, shortDir, startServer } from '../lib/serve.js';
import { describe, FAULT_LIBDIR, figuresOf, FULL, MIB, writeRandom } from './rehearsal.js';
import { UNCACHED } from './rehearsal.js';

const DISKS = 10;
const SECONDS = FULL ? 30 : 3;
/** Reads of 64 KiB each second for each disk: far from what two cores can do. */
const READS_PER_S = 100;

/** Reads per second of each disk but the first, which gets the same load. */
async function throughput(server: Server): Promise<number[]> {
  const jobs = Array.from({ length: DISKS }, async (_, disk) => {
    const uri = server.uri!.replace(/\/\/\/[^?]*/, `///disk${disk}`);
    const result = await run('fio', [
      ...['--name=paced', '--ioengine=nbd', `--uri=${uri}`, '--rw=randread', '--bs=64k'],
      ...['--size=8m', '--iodepth=4', `--rate_iops=${READS_PER_S}`, '--time_based'],
      ...[`--runtime=${SECONDS}`, '--output-format=json'],
    ]);
    if (result.exitCode !== 0) throw new Error(`disk ${disk}: ${result.stderr}`);
    const { jobs } = JSON.parse(result.stdout.slice(result.stdout.indexOf('{'))) as {
      jobs: { read: { iops: number } }[];
    };
    return jobs[0]!.read.iops;
  });
  return (await Promise.all(jobs)).slice(1);
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

t.test('one bad disk among ten', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const exports = Array.from({ length: DISKS }, (_, disk) => {
    const image = path.join(dir, `disk${disk}.img`);
    writeRandom(image, 8 * MIB);
    return ['--export', `disk${disk}=${image}`];
  }).flat();
  const measure = async (rules: string): Promise<[number[], string]> => {
    const server = await startServer(
      t,
      [
        ...[FAULT_LIBDIR, '-r', '--eager', '--memory=32M', ...UNCACHED],
        ...['-U', path.join(dir, 'socket'), ...exports],
      ],
      { env: { FAULT: rules, FAULT_STATE: path.join(dir, 'state') } },
    );
    const reads = await throughput(server);
    return [reads, (await server.stop()).stderr];
  };
  const [healthy] = await measure('');
  const [others, stderr] = await measure('crash=segv p=0.1 seed=5 disk=disk0.img');
  const figures = figuresOf(stderr);
  const share = sum(others) / sum(healthy);
  t.comment(
    `nine disks: ${sum(healthy).toFixed(0)} reads/s, beside a crashing one ` +
      `${sum(others).toFixed(0)} (${(100 * share).toFixed(0)} %); ${describe(figures)}`,
  );
  t.ok(figures.replacedMs.length > 0, 'the bad disk has crashed');
  t.notMatch(stderr, /disk[1-9].img: helper replaced/, 'and no other');
  if (FULL) t.ok(share >= 0.9, `${share}`);
});
