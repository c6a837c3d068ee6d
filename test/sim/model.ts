// What a disk may answer: for every cell of it, the writes that a read may still see and those that
// the disk itself may still hold. Knows nothing of the program; it sees only when requests began
// and how they ended. The rule: an order of two writes counts only if a client could know it (one
// ended before the other began, or a read has shown it), so a violation is always a real one.

/** A write or zeroes, from its begin on. */
export interface WriteRecord {
  readonly firstCell: number;
  readonly endCell: number;
  readonly beganAt: number;
  /** Its bytes from the start of firstCell; undefined: zeroes. */
  readonly bytes: Buffer | undefined;
  /** For messages. */
  readonly name: string;
}

/** One write as one cell sees it. Moments are numbers of a counter that never repeats. */
interface Candidate {
  write: WriteRecord;
  /** When it had certainly had its effect, if it has one: its end, or the end of a read of it. */
  effectiveAt: number;
  /** Reads that begin later may not see it. */
  hiddenAt: number;
  /** A later write was acknowledged then: a flush that begins later makes it forbidden. */
  supersededAt: number;
  /** The disk may not hold it any more. */
  isForbidden: boolean;
}

/** A promise of the program was broken. */
export class Violation extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'Violation';
  }
}

let someZeroes = Buffer.alloc(0);

function zeroes(length: number): Buffer {
  if (someZeroes.length < length) someZeroes = Buffer.alloc(length);
  return someZeroes.subarray(0, length);
}

export class Model {
  /** Where cells begin, and the end of the disk. */
  readonly #cuts: readonly number[];
  /** For each cell the writes that may be seen there, in order of their begin. */
  readonly #cells: Candidate[][];
  /** Cells whose bytes on the disk, or what these may be, have changed since the last look. */
  readonly #stale = new Set<number>();
  readonly #openReads = new Map<object, number>();
  #counter = 0;
  bytesVerified = 0;

  /** `cuts` are the first bytes of the cells, from 0, and the size of the disk, which is zeroes. */
  constructor(cuts: readonly number[]) {
    this.#cuts = cuts;
    this.#cells = cuts.slice(1).map((_, firstCell) => [
      {
        write: {
          firstCell,
          endCell: firstCell + 1,
          beganAt: -1,
          bytes: undefined,
          name: 'the start',
        },
        effectiveAt: 0,
        hiddenAt: Infinity,
        supersededAt: Infinity,
        isForbidden: false,
      },
    ]);
  }

  get cellCount(): number {
    return this.#cells.length;
  }

  /** First byte of a cell. */
  offsetOf(cell: number): number {
    return this.#cuts[cell]!;
  }

  lengthOf(firstCell: number, endCell: number): number {
    return this.#cuts[endCell]! - this.#cuts[firstCell]!;
  }

  /** This moment. */
  moment(): number {
    return ++this.#counter;
  }

  writeBegins(
    firstCell: number,
    endCell: number,
    bytes: Buffer | undefined,
    name: string,
  ): WriteRecord {
    const write = { firstCell, endCell, beganAt: this.moment(), bytes, name };
    for (let cell = firstCell; cell < endCell; cell++) {
      this.#cells[cell]!.push({
        write,
        effectiveAt: Infinity,
        hiddenAt: Infinity,
        supersededAt: Infinity,
        isForbidden: false,
      });
    }
    return write;
  }

  /** It was answered. One that failed may have had its effect, in part, or none. */
  writeEnds(write: WriteRecord, result: { failed: boolean; fua: boolean }): void {
    const now = this.moment();
    this.#forRange(write.firstCell, write.endCell, (candidates, cell) => {
      for (const candidate of candidates) {
        if (candidate.write === write) {
          candidate.effectiveAt = Math.min(candidate.effectiveAt, now);
        } else if (!result.failed && candidate.effectiveAt < write.beganAt) {
          candidate.supersededAt = Math.min(candidate.supersededAt, now);
          candidate.hiddenAt = Math.min(candidate.hiddenAt, now);
          if (result.fua) this.#forbid(candidate, cell);
        }
      }
    });
  }

  /** It was never sent whole: it has not happened, and nothing of it may ever be seen. */
  writeNeverWas(write: WriteRecord): void {
    for (let cell = write.firstCell; cell < write.endCell; cell++) {
      const candidates = this.#cells[cell]!;
      this.#cells[cell] = candidates.filter((candidate) => candidate.write !== write);
      this.#stale.add(cell);
    }
  }

  /** A read that began with this key; hand it to readEnds() or readIsOver(). */
  readBegins(key: object): void {
    this.#openReads.set(key, this.moment());
  }

  readIsOver(key: object): void {
    this.#openReads.delete(key);
  }

  /** Checks the bytes of a read of these cells, and remembers what it has shown. */
  readEnds(key: object, firstCell: number, endCell: number, bytes: Buffer): void {
    const beganAt = this.#openReads.get(key)!;
    this.#openReads.delete(key);
    const now = this.moment();
    const start = this.#cuts[firstCell]!;
    this.#forRange(firstCell, endCell, (candidates, cell) => {
      const part = bytes.subarray(this.#cuts[cell]! - start, this.#cuts[cell + 1]! - start);
      const seen = this.#check(
        cell,
        part,
        candidates,
        ({ hiddenAt }) => hiddenAt > beganAt,
        'read',
      );
      if (seen) observe(candidates, seen, beganAt, now);
    });
  }

  /** A read that began with this key was told that these bytes are zeroes. */
  zeroesAt(key: object, startBytes: number, endBytes: number): void {
    const beganAt = this.#openReads.get(key)!;
    for (let cell = 0; cell < this.#cells.length; cell++) {
      const start = Math.max(startBytes, this.#cuts[cell]!) - this.#cuts[cell]!;
      const end = Math.min(endBytes, this.#cuts[cell + 1]!) - this.#cuts[cell]!;
      if (start >= end) continue;
      const legal = this.#cells[cell]!.filter(({ hiddenAt }) => hiddenAt > beganAt);
      const isZero = legal.some(({ write }) => {
        for (let at = start; at < end; at++) {
          if (this.#byteOf(write, cell, at) !== 0) return false;
        }
        return true;
      });
      if (isZero) continue;
      const allowed = legal.map(({ write }) => write.name).join(' or ');
      const offsetBytes = this.#cuts[cell]! + start;
      throw new Violation(`byte ${offsetBytes}: called zero, and it may be ${allowed}`);
    }
  }

  /** A flush that began at `beganAt` has succeeded. Look at durable() then. */
  flushEnds(beganAt: number): void {
    this.#forRange(0, this.#cells.length, (candidates, cell) => {
      if (candidates.length === 1) return;
      for (const candidate of candidates) {
        if (candidate.supersededAt < beganAt) this.#forbid(candidate, cell);
      }
      this.#forget(candidates);
    });
  }

  /** Bytes of the disk have changed. */
  touched(startBytes: number, endBytes: number): void {
    let low = 0;
    for (let high = this.#cells.length; low + 1 < high;) {
      const middle = (low + high) >> 1;
      if (this.#cuts[middle]! <= startBytes) low = middle;
      else high = middle;
    }
    for (; low < this.#cells.length && this.#cuts[low]! < endBytes; low++) this.#stale.add(low);
  }

  /** What would be there if everything died now: nothing that a flush has made impossible. */
  durable(disk: Buffer): void {
    for (const cell of this.#stale) {
      const part = disk.subarray(this.#cuts[cell], this.#cuts[cell + 1]);
      const isLegal = ({ isForbidden }: Candidate): boolean => !isForbidden;
      this.#check(cell, part, this.#cells[cell]!, isLegal, 'the disk has');
    }
    this.#stale.clear();
  }

  /**
   * What must be there after a clean end: what a read that begins now may see. Not where
   * `isExcused` says that it was lost.
   */
  final(disk: Buffer, isExcused: (cell: number) => boolean = () => false): void {
    const beganAt = this.moment();
    this.#forRange(0, this.#cells.length, (candidates, cell) => {
      if (isExcused(cell)) return;
      const part = disk.subarray(this.#cuts[cell], this.#cuts[cell + 1]);
      const isLegal = ({ hiddenAt }: Candidate): boolean => hiddenAt > beganAt;
      this.#check(cell, part, candidates, isLegal, 'the final disk has');
    });
  }

  #forbid(candidate: Candidate, cell: number): void {
    if (candidate.isForbidden) return;
    candidate.isForbidden = true;
    this.#stale.add(cell);
  }

  #forRange(
    firstCell: number,
    endCell: number,
    visit: (candidates: Candidate[], cell: number) => void,
  ): void {
    for (let cell = firstCell; cell < endCell; cell++) visit(this.#cells[cell]!, cell);
  }

  /** The one legal write whose bytes these are; undefined if that can't be said. */
  #check(
    cell: number,
    part: Buffer,
    candidates: readonly Candidate[],
    isLegal: (candidate: Candidate) => boolean,
    what: string,
  ): Candidate | undefined {
    this.bytesVerified += part.length;
    const legal = candidates.filter(isLegal);
    const fitting = legal.filter(({ write }) => this.#isOf(write, cell, part));
    // Two writes of the same bytes, zeroes say: nobody can know which of them it is.
    if (fitting.length > 0) return fitting.length === 1 ? fitting[0] : undefined;
    let whose = legal[0];
    for (let at = 0; at < part.length; at++) {
      const byte = part[at]!;
      // Mostly the next byte is of the same write as this one.
      if (whose && this.#byteOf(whose.write, cell, at) === byte) continue;
      whose = legal.find(({ write }) => this.#byteOf(write, cell, at) === byte);
      if (whose) continue;
      const over = candidates.find(({ write }) => this.#isOf(write, cell, part));
      const found = over ? `${over.write.name}, which is over` : `a ${byte} that is no write's`;
      const allowed = legal.map(({ write }) => write.name).join(' or ');
      const offsetBytes = this.#cuts[cell]! + at;
      throw new Violation(`byte ${offsetBytes}: ${what} ${found}; it may be ${allowed}`);
    }
    return undefined;
  }

  #isOf(write: WriteRecord, cell: number, part: Buffer): boolean {
    if (write.bytes === undefined) return part.equals(zeroes(part.length));
    const start = this.#cuts[cell]! - this.#cuts[write.firstCell]!;
    return part.compare(write.bytes, start, start + part.length) === 0;
  }

  #byteOf(write: WriteRecord, cell: number, at: number): number {
    return write.bytes?.[this.#cuts[cell]! - this.#cuts[write.firstCell]! + at] ?? 0;
  }

  /** Drops what neither a read nor the disk may show any more. */
  #forget(candidates: Candidate[]): void {
    let oldestRead = Infinity;
    for (const beganAt of this.#openReads.values()) oldestRead = Math.min(oldestRead, beganAt);
    let kept = 0;
    for (const candidate of candidates) {
      const isGone = candidate.isForbidden && candidate.hiddenAt <= oldestRead;
      if (!isGone) candidates[kept++] = candidate;
    }
    candidates.length = kept;
  }
}

/** A read that began at `beganAt` has shown `seen`: what was over before can't come back. */
function observe(
  candidates: readonly Candidate[],
  seen: Candidate,
  beganAt: number,
  now: number,
): void {
  if (candidates.length === 1) return;
  for (const other of candidates) {
    if (other === seen) continue;
    if (other.effectiveAt < beganAt || other.effectiveAt < seen.write.beganAt) {
      other.hiddenAt = Math.min(other.hiddenAt, now);
    }
  }
  seen.effectiveAt = Math.min(seen.effectiveAt, now);
}
