// Which cached range holds a sector: ranges of any length, which may overlap, by windows of the
// disk. Pure; used by the read cache. The rule: a lookup costs one step in a map and a walk over
// what few ranges touch the window, so that a miss costs next to nothing.
import { CACHE_WINDOW_BYTES, SECTOR_BYTES } from '../base/limits.js';

const WINDOW_SECTORS = CACHE_WINDOW_BYTES / SECTOR_BYTES;

/** A range of sectors; it does not change while it is in an index. */
export interface Indexed {
  readonly startSector: number;
  /** First sector behind the range. */
  readonly endSector: number;
}

function windowOf(sector: number): number {
  return Math.floor(sector / WINDOW_SECTORS);
}

export class CacheIndex<Range extends Indexed> {
  readonly #windows = new Map<number, Range[]>();
  #count = 0;

  /** Ranges in it. */
  get count(): number {
    return this.#count;
  }

  add(range: Range): void {
    this.#count++;
    const last = windowOf(range.endSector - 1);
    for (let window = windowOf(range.startSector); window <= last; window++) {
      const ranges = this.#windows.get(window);
      if (ranges === undefined) this.#windows.set(window, [range]);
      else ranges.push(range);
    }
  }

  /** Takes out `range`, which must be in it. */
  remove(range: Range): void {
    this.#count--;
    const last = windowOf(range.endSector - 1);
    for (let window = windowOf(range.startSector); window <= last; window++) {
      const ranges = this.#windows.get(window);
      if (ranges === undefined) continue;
      if (ranges.length === 1) this.#windows.delete(window);
      else ranges.splice(ranges.indexOf(range), 1);
    }
  }

  /** Of the ranges that hold `sector`, the one that reaches furthest. */
  at(sector: number): Range | undefined {
    let found: Range | undefined;
    for (const range of this.#windows.get(windowOf(sector)) ?? []) {
      if (range.startSector > sector || range.endSector <= sector) continue;
      if (found === undefined || range.endSector > found.endSector) found = range;
    }
    return found;
  }

  /** Every range that overlaps the sectors from `startSector` up to, not including, `endSector`. */
  overlapping(startSector: number, endSector: number): Set<Range> {
    const found = new Set<Range>();
    const visit = (ranges: readonly Range[]): void => {
      for (const range of ranges) {
        if (range.startSector < endSector && startSector < range.endSector) found.add(range);
      }
    };
    const first = windowOf(startSector);
    const last = windowOf(endSector - 1);
    if (last - first >= this.#windows.size) {
      for (const ranges of this.#windows.values()) visit(ranges);
    } else {
      for (let window = first; window <= last; window++) visit(this.#windows.get(window) ?? []);
    }
    return found;
  }

  /** Everything that is in it. */
  all(): Set<Range> {
    return this.overlapping(0, Infinity);
  }
}
