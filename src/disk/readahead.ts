// Reads ahead of sequential streams. What to read is decided at the end of the event loop's turn,
// when it is known how much the client asks for by itself. Used by cached-reads.ts.
// The rule: nothing is read for a client that keeps the library busy enough on its own, nor what
// is known to be a hole.
import { DEEP_CLIENT_READS, SECTOR_BYTES } from '../base/limits.js';
import type { Fills } from './fills.js';
import type { ReadCache } from './read-cache.js';
import { type Stream, Streams } from './streams.js';

/** What one connection reads. */
export class Reader {
  readonly streams = new Streams();
  /** Its reads that wait for the library. */
  waitingReads = 0;
}

export interface ReadaheadOptions {
  cache: ReadCache;
  fills: Fills;
  sizeSectors: number;
  /** The most that is read ahead of a stream, in bytes; 0: nothing is. */
  bytesMax: number;
  /** Whether what was read ahead of a short stream stays in the cache. */
  keeps: boolean;
  /** Where the known hole ends that `sector` is in; `sector` itself if it is in none. */
  holeEndSector: (sector: number, endSector: number) => number;
}

export class Readahead {
  readonly #options: ReadaheadOptions;
  readonly windowSectorsMax: number;
  #planned: [Stream, Reader][] = [];

  constructor(options: ReadaheadOptions) {
    this.#options = options;
    this.windowSectorsMax = options.bytesMax / SECTOR_BYTES;
  }

  /** `stream` of `reader` goes on. */
  plan(stream: Stream, reader: Reader): void {
    const aheadSectors = stream.aheadSector - stream.nextSector;
    if (stream.isPlanned || aheadSectors > stream.windowSectors - stream.chunkSectors) return;
    stream.isPlanned = true;
    if (this.#planned.push([stream, reader]) === 1) process.nextTick(this.#run);
  }

  readonly #run = (): void => {
    const planned = this.#planned;
    this.#planned = [];
    for (const [stream, reader] of planned) {
      stream.isPlanned = false;
      if (!stream.isSequential || reader.waitingReads >= DEEP_CLIENT_READS) continue;
      stream.aheadSector = this.#readAhead(stream);
    }
  };

  /** Returns up to where it has gone. */
  #readAhead(stream: Stream): number {
    const { cache, fills, holeEndSector, keeps, sizeSectors } = this.#options;
    const { chunkSectors } = stream;
    const windowSectors = Math.min(stream.windowSectors, this.windowSectorsMax);
    const untilSector = Math.min(stream.nextSector + windowSectors, sizeSectors);
    let sector = Math.max(stream.aheadSector, stream.nextSector);
    while (sector < untilSector) {
      const passedSector = cache.coveredUpTo(holeEndSector(sector, untilSector), untilSector);
      const chunkEnd = (Math.floor(sector / chunkSectors) + 1) * chunkSectors;
      const endSector = Math.min(chunkEnd, sizeSectors);
      if (passedSector > sector) {
        sector = passedSector;
      } else if (fills.isAvoided(sector, endSector - sector)) {
        sector = endSector;
      } else {
        const range = fills.start(sector, endSector, 'ahead');
        if (range === undefined) return sector;
        if (!keeps || stream.isLong) range.unreadSectors = endSector - sector;
        sector = endSector;
      }
    }
    return sector;
  }
}
