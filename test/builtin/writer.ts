// Writers of VMDK files, from the published layouts and nothing of the engine's: what qemu-img
// can't make (COWD, seSparse, zeroed grains, mixed extents, odd grain sizes) is made here.
// Choices that a format leaves open (order of grains, missing tables) are random.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { SECTOR, type ExtentModel, type LinkModel, type Random } from './model.js';

/** What identifies a link to its child. */
export interface LinkNames {
  file: string;
  cid: string;
  parent?: { cid: string; hint: string };
  /** With liberties that VMware's products take and qemu does not know. */
  liberal?: boolean;
}

/** A file that grows by whole sectors. */
class Output {
  readonly #chunks: Buffer[] = [];
  sectors = 0;

  /** Adds bytes, filled up to a whole sector; returns where they begin, in sectors. */
  add(bytes: Buffer): number {
    const at = this.sectors;
    const rest = (SECTOR - (bytes.length % SECTOR)) % SECTOR;
    this.#chunks.push(bytes, Buffer.alloc(rest));
    this.sectors += (bytes.length + rest) / SECTOR;
    return at;
  }

  alignTo(sectors: number): void {
    const over = this.sectors % sectors;
    if (over > 0) this.add(Buffer.alloc((sectors - over) * SECTOR));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

function grainCount(extent: ExtentModel): number {
  return Math.ceil(extent.sectors / extent.grainSectors);
}

interface HostedFields {
  version: number;
  flags: number;
  capacity: number;
  grainSectors: number;
  descriptor: [sector: number, sectors: number];
  rgd: number;
  gd: bigint;
  overhead: number;
  compression: number;
}

function hostedHeader(fields: HostedFields): Buffer {
  const header = Buffer.alloc(SECTOR);
  header.write('KDMV', 0, 'latin1');
  header.writeUInt32LE(fields.version, 4);
  header.writeUInt32LE(fields.flags, 8);
  header.writeBigUInt64LE(BigInt(fields.capacity), 12);
  header.writeBigUInt64LE(BigInt(fields.grainSectors), 20);
  header.writeBigUInt64LE(BigInt(fields.descriptor[0]), 28);
  header.writeBigUInt64LE(BigInt(fields.descriptor[1]), 36);
  header.writeUInt32LE(512, 44);
  header.writeBigUInt64LE(BigInt(fields.rgd), 48);
  header.writeBigUInt64LE(fields.gd, 56);
  header.writeBigUInt64LE(BigInt(fields.overhead), 64);
  header.write('\n \r\n', 73, 'latin1');
  header.writeUInt16LE(fields.compression, 77);
  return header;
}

/** Entries of 32 bits for `places`, in tables of `perTable`; tables without entries are missing. */
function tables32(
  places: Map<number, number>,
  grains: number,
  perTable: number,
): (Buffer | null)[] {
  const tables: (Buffer | null)[] = [];
  for (let first = 0; first < grains; first += perTable) {
    const table = Buffer.alloc(perTable * 4);
    let used = false;
    for (let i = 0; i < perTable; i += 1) {
      const place = places.get(first + i);
      if (place === undefined) continue;
      table.writeUInt32LE(place, i * 4);
      used = true;
    }
    tables.push(used ? table : null);
  }
  return tables;
}

/** A directory of the tables that were put at these sectors; 0 is none. */
function directory(sectors: number[]): Buffer {
  const gd = Buffer.alloc(sectors.length * 4);
  sectors.forEach((sector, index) => gd.writeUInt32LE(sector, index * 4));
  return gd;
}

/** Where each data grain goes, from `base` on, in random order; zeroed grains are 1. */
function placeGrains(
  random: Random,
  extent: ExtentModel,
  base: number,
): { places: Map<number, number>; order: number[] } {
  const order = [...extent.grains].filter(([, grain]) => grain instanceof Buffer).map(([i]) => i);
  if (random.oneIn(2)) random.shuffle(order);
  else order.sort((a, b) => a - b);
  const places = new Map<number, number>();
  order.forEach((grain, index) => places.set(grain, base + index * extent.grainSectors));
  for (const [index, grain] of extent.grains) if (grain === 'zero') places.set(index, 1);
  return { places, order };
}

/** A hosted sparse file. All sizes are known before, so grains can be placed first. */
function hosted(random: Random, extent: ExtentModel, text?: string, liberal = false): Buffer {
  const grains = grainCount(extent);
  const nrTables = Math.ceil(grains / 512);
  const descriptor: [number, number] = text === undefined ? [0, 0] : [1, 20];
  const gdSectors = Math.ceil((nrTables * 4) / SECTOR);
  const copySectors = gdSectors + nrTables * 4;
  const redundant = random.oneIn(2);
  const front = 1 + descriptor[1] + copySectors * (redundant ? 2 : 1);
  const overhead = Math.ceil(front / extent.grainSectors) * extent.grainSectors;
  const { places, order } = placeGrains(random, extent, overhead);
  const tables = tables32(places, grains, 512);
  const out = new Output();
  const copyAt = (at: number): number[] =>
    tables.map((table, index) => (table ? at + gdSectors + index * 4 : 0));
  const rgd = 1 + descriptor[1];
  const gd = rgd + (redundant ? copySectors : 0);
  const zeroes = [...extent.grains.values()].includes('zero');
  const header = hostedHeader({
    version: zeroes ? 2 : 1,
    flags: 1 | (redundant ? 2 : 0) | (zeroes ? 4 : 0),
    capacity: liberal ? grains * extent.grainSectors : extent.sectors,
    grainSectors: extent.grainSectors,
    descriptor,
    rgd: redundant ? rgd : 0,
    gd: BigInt(gd),
    overhead,
    compression: 0,
  });
  out.add(header);
  if (text !== undefined) out.add(Buffer.concat([Buffer.from(text)], descriptor[1] * SECTOR));
  for (const at of redundant ? [rgd, gd] : [gd]) {
    out.add(directory(copyAt(at)));
    for (const table of tables) out.add(table ?? Buffer.alloc(2048));
  }
  out.alignTo(extent.grainSectors);
  for (const grain of order) out.add(extent.grains.get(grain) as Buffer);
  return out.bytes();
}

function marker(sectors: number, type: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.writeBigUInt64LE(BigInt(sectors), 0);
  bytes.writeUInt32LE(type, 12);
  return bytes;
}

/** A stream-optimized file: packed grains, tables as they get full, directory, footer. */
function stream(random: Random, extent: ExtentModel, text: string): Buffer {
  const grains = grainCount(extent);
  const out = new Output();
  const fields: HostedFields = {
    version: 3,
    flags: 0x30001,
    capacity: extent.sectors,
    grainSectors: extent.grainSectors,
    descriptor: [1, 20],
    rgd: 0,
    gd: 0xffffffffffffffffn,
    overhead: 128,
    compression: 1,
  };
  out.add(hostedHeader(fields));
  out.add(Buffer.concat([Buffer.from(text)], 20 * SECTOR));
  out.alignTo(128);
  const places = new Map<number, number>();
  for (const index of placeGrains(random, extent, 0).order) {
    const packed = deflateSync(extent.grains.get(index) as Buffer, { level: random.below(10) });
    const front = Buffer.alloc(12);
    front.writeBigUInt64LE(BigInt(index * extent.grainSectors), 0);
    front.writeUInt32LE(packed.length, 8);
    places.set(index, out.add(Buffer.concat([front, packed])));
  }
  const sectors = tables32(places, grains, 512).map((table) => {
    if (!table) return 0;
    out.add(marker(4, 1));
    return out.add(table);
  });
  const gd = directory(sectors);
  out.add(marker(Math.ceil(gd.length / SECTOR), 2));
  const at = out.add(gd);
  out.add(marker(1, 3));
  out.add(hostedHeader({ ...fields, gd: BigInt(at) }));
  out.add(marker(0, 0));
  return out.bytes();
}

function cowd(random: Random, extent: ExtentModel): Buffer {
  const grains = grainCount(extent);
  const nrTables = Math.ceil(grains / 4096);
  const gdSectors = Math.ceil((nrTables * 4) / SECTOR);
  const base = Math.ceil((4 + gdSectors + nrTables * 32) / extent.grainSectors);
  const { places, order } = placeGrains(random, extent, base * extent.grainSectors);
  const tables = tables32(places, grains, 4096);
  const header = Buffer.alloc(2048);
  const out = new Output();
  header.write('COWD', 0, 'latin1');
  const numbers = [1, 3, extent.sectors, extent.grainSectors, 4, nrTables];
  numbers.forEach((number, index) => header.writeUInt32LE(number, 4 + index * 4));
  out.add(header);
  out.add(directory(tables.map((table, index) => (table ? 4 + gdSectors + index * 32 : 0))));
  for (const table of tables) out.add(table ?? Buffer.alloc(4096 * 4));
  out.alignTo(extent.grainSectors);
  for (const grain of order) out.add(extent.grains.get(grain) as Buffer);
  const bytes = out.bytes();
  bytes.writeUInt32LE(out.sectors, 28);
  return bytes;
}

/** The entry of a seSparse table: a type in the top four bits, the number's low bits above. */
function sesparseEntry(type: number, number: number): bigint {
  const n = BigInt(number);
  return (BigInt(type) << 60n) | ((n & 0xfffn) << 48n) | (n >> 12n);
}

function sesparse(random: Random, extent: ExtentModel): Buffer {
  const grains = grainCount(extent);
  const nrTables = Math.ceil(grains / 4096);
  const gdSectors = Math.ceil((nrTables * 8) / SECTOR);
  const [gd, tables] = [2, 2 + gdSectors];
  const base = tables + nrTables * 64;
  const order = placeGrains(random, extent, 0).order;
  const out = new Output();
  const header = Buffer.alloc(SECTOR);
  const areas = [1, 1, 0, 0, 0, 0, gd, gdSectors, tables, nrTables * 64, 0, 0, 0, 0, base];
  header.writeBigUInt64LE(0xcafebaben, 0);
  header.writeBigUInt64LE(0x200000001n, 8);
  [extent.sectors, 8, 64].forEach((n, i) => header.writeBigUInt64LE(BigInt(n), 16 + i * 8));
  [...areas, order.length * 8].forEach((n, i) => header.writeBigUInt64LE(BigInt(n), 80 + i * 8));
  const changing = Buffer.alloc(SECTOR);
  changing.writeBigUInt64LE(0xcafecafen, 0);
  out.add(header);
  out.add(changing);
  const entries = new Map(order.map((grain, index) => [grain, sesparseEntry(3, index)]));
  for (const [index, grain] of extent.grains) {
    if (grain === 'zero') entries.set(index, sesparseEntry(1 + random.below(2), 0));
  }
  // Tables lie in the order of their numbers, which need not be that of the disk.
  const numbers = random.shuffle(Array.from({ length: nrTables }, (_, index) => index));
  const directory64 = Buffer.alloc(nrTables * 8);
  const all = Buffer.alloc(nrTables * 64 * SECTOR);
  for (const [grain, entry] of entries) {
    const table = numbers[Math.floor(grain / 4096)]!;
    directory64.writeBigUInt64LE((1n << 60n) | BigInt(table), Math.floor(grain / 4096) * 8);
    all.writeBigUInt64LE(entry, table * 64 * SECTOR + (grain % 4096) * 8);
  }
  out.add(directory64);
  out.add(all);
  for (const grain of order) out.add(extent.grains.get(grain) as Buffer);
  return out.bytes();
}

function flat(extent: ExtentModel): Buffer {
  const grains = Array.from({ length: grainCount(extent) }, (_, i) => extent.grains.get(i));
  return Buffer.concat(grains as Buffer[]).subarray(0, extent.sectors * SECTOR);
}

const TYPES = {
  hosted: 'SPARSE',
  stream: 'SPARSE',
  cowd: 'VMFSSPARSE',
  sesparse: 'SESPARSE',
  flat: 'FLAT',
  zero: 'ZERO',
} as const;

/** The descriptor's text, with the liberties that products take. */
function describe(random: Random, link: LinkModel, names: LinkNames, files: string[]): string {
  const { liberal = false } = names;
  const caps = (key: string): string => (liberal && random.oneIn(4) ? key.toUpperCase() : key);
  const blank = liberal ? random.pick(['', ' ']) : '';
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    `${caps('CID')}=${names.cid}`,
    `${caps('parentCID')}=${names.parent?.cid ?? 'ffffffff'}`,
    `createType${blank}=${blank}"${link.createType}"`,
    ...(names.parent ? [`parentFileNameHint="${names.parent.hint}"`] : []),
    // qemu takes an extent behind an empty line for two.
    '# Extent description',
    ...link.extents.map(({ access, sectors, format }, index) => {
      const file = format === 'zero' ? '' : ` "${files[index]!}"${format === 'flat' ? ' 0' : ''}`;
      return `${access} ${sectors} ${TYPES[format]}${file}`;
    }),
    '',
    '#DDB',
    'ddb.adapterType = "lsilogic"',
    '',
  ];
  return lines.join(liberal && random.oneIn(3) ? '\r\n' : '\n');
}

/** Writes a link: its descriptor at `names.file` and its extents beside it. */
export function writeLink(random: Random, link: LinkModel, names: LinkNames): void {
  const dir = path.dirname(names.file);
  const stem = path.basename(names.file, '.vmdk');
  const embedded = ['monolithicSparse', 'streamOptimized'].includes(link.createType);
  const files = link.extents.map((_, index) =>
    embedded ? path.basename(names.file) : `${stem}-x${index + 1}.vmdk`,
  );
  const text = describe(random, link, names, files);
  if (!embedded) writeFileSync(names.file, text);
  for (const [index, extent] of link.extents.entries()) {
    if (extent.format === 'zero') continue;
    const inside = embedded ? text : undefined;
    const bytes = {
      hosted: () => hosted(random, extent, inside, names.liberal),
      stream: () => stream(random, extent, text),
      cowd: () => cowd(random, extent),
      sesparse: () => sesparse(random, extent),
      flat: () => flat(extent),
    }[extent.format]();
    writeFileSync(path.join(dir, files[index]!), bytes);
  }
}
