// A disk over helpers in this process, and a client of it: what tests of the disk begin with.
import { RECOVERY_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from '../../src/base/limits.js';
import { silentLog } from '../../src/base/log.js';
import type { Log } from '../../src/base/log.js';
import type { DiskClient, DiskOp, DiskSession } from '../../src/disk/disk.js';
import { DiskRequest } from '../../src/disk/disk.js';
import { type HelperDisk, openHelperDisk } from '../../src/disk/helper-disk.js';
import { Logins } from '../../src/supervisor/logins.js';
import { vixErrorPolicy } from '../../src/vddk/errors.js';
import { MemoryBacking, MemoryHelper } from './memory-helper.js';
import { ManualClock, settle, type SimOptions } from './sim-helper.js';

export const MIB = 1024 * 1024;

export interface SetUp {
  disk: HelperDisk;
  backing: MemoryBacking;
  helpers: MemoryHelper[];
  clock: ManualClock;
  last: () => MemoryHelper;
}

export async function setUp(
  options: {
    sizeBytes?: number;
    memoryBytes?: number;
    flags?: number;
    sim?: SimOptions;
    /** The same for each new helper; asked when it starts. */
    simOf?: () => SimOptions;
    /** A library that keeps writes to itself until it flushes. */
    isVolatile?: boolean;
    log?: Log;
    closeTimeoutMs?: number;
    /** See HelperDiskOptions; default: nothing is asked. */
    holeState?: number;
    /** Off, as the tests of the plain way want it, unless given. */
    readaheadBytesMax?: number;
    cacheBytesMax?: number;
  } = {},
): Promise<SetUp> {
  const backing = new MemoryBacking(options.sizeBytes ?? MIB);
  backing.isVolatile = options.isVolatile ?? false;
  const helpers: MemoryHelper[] = [];
  const clock = new ManualClock();
  const disk = await openHelperDisk({
    name: 'disk',
    session: {
      hello: { libraries: ['/lib.so'], libdir: '/', config: undefined },
      connect: { readOnly: false },
      open: { path: '/disk.vmdk', flags: options.flags ?? 0 },
    },
    memoryBytes: options.memoryBytes ?? 16 * MIB,
    readaheadBytesMax: options.readaheadBytesMax ?? 0,
    cacheBytesMax: options.cacheBytesMax ?? 0,
    buffersWrites: backing.isVolatile,
    fileIdentity: () => '',
    startHelper: (arenas, listener) => {
      const helper = new MemoryHelper(listener, backing, arenas, options.simOf?.() ?? options.sim);
      helpers.push(helper);
      return helper;
    },
    clock,
    log: options.log ?? silentLog,
    random: () => 0.5,
    closeTimeoutMs: options.closeTimeoutMs ?? 60_000,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    recoveryTimeoutMs: RECOVERY_TIMEOUT_MS,
    spare: false,
    logins: new Logins(),
    errors: vixErrorPolicy,
    holeState: () => options.holeState ?? 0,
  });
  const last = (): MemoryHelper => helpers.at(-1)!;
  return { disk, backing, helpers, clock, last };
}

/** Closes the disk, whose last flush the helper answers. */
export async function shut({ disk, last }: Pick<SetUp, 'disk' | 'last'>): Promise<string[]> {
  const closing = disk.close();
  await settle();
  last().drain();
  return closing;
}

/** A connection that sends `payload` as soon as there is memory, and keeps what comes back. */
export class Client implements DiskClient {
  readonly session: DiskSession;
  readonly results = new Map<DiskRequest, Buffer>();
  readonly payloads = new Map<DiskRequest, Buffer>();
  onCompleted: (request: DiskRequest) => void = () => undefined;
  /** Requests whose begin() returned false and that were not granted yet. */
  waiting = 0;

  constructor(disk: HelperDisk) {
    this.session = disk.session(this);
  }

  send(op: DiskOp, offsetBytes: number, lengthBytes: number, payload?: Buffer, fua = false) {
    const request = new DiskRequest();
    Object.assign(request, { op, offsetBytes, lengthBytes, fua });
    if (payload) this.payloads.set(request, payload);
    if (this.session.begin(request)) this.#receive(request);
    else this.waiting++;
    return request;
  }

  granted(request: DiskRequest): void {
    this.waiting--;
    this.#receive(request);
  }

  completed(request: DiskRequest): void {
    this.results.set(request, Buffer.concat(request.pieces));
    this.onCompleted(request);
    this.session.release(request);
  }

  #receive(request: DiskRequest): void {
    const payload = this.payloads.get(request);
    if (!payload) return;
    let atBytes = 0;
    for (const piece of request.pieces) atBytes += payload.copy(piece, 0, atBytes);
    this.session.submit(request);
  }
}
