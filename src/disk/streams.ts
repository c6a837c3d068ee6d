// Who reads on where: the sequential streams of one connection, and how far ahead of each to read.
// Pure. The rules: a read that continues no stream costs a look at a few numbers; the window of a
// stream grows when its client had to wait for the library, and shrinks when what was read ahead
// lay there for many times as long as the library needs.
import {
  PIECE_BYTES_MAX,
  READAHEAD_CHUNK_BYTES_MIN,
  READAHEAD_START_BYTES,
  SECTOR_BYTES,
  STREAM_BYTES_MIN,
  STREAM_DISORDER_BYTES_MAX,
  STREAM_KEPT_BYTES_MAX,
  STREAMS_MAX,
} from '../base/limits.js';

/** What was read ahead lay there for so many times the library's time: less would do. */
const EASE_FACTOR = 8;
/** So often in a row before the window shrinks. */
const EASY_COUNT = 32;

const CHUNK_SECTORS_MIN = READAHEAD_CHUNK_BYTES_MIN / SECTOR_BYTES;
const PIECE_SECTORS = PIECE_BYTES_MAX / SECTOR_BYTES;

/** Reads of a client that follow each other on the disk. */
export class Stream {
  /** The sector behind the last read. */
  nextSector = 0;
  /** Up to here it was read ahead, or passed over. */
  aheadSector = 0;
  windowSectors = 0;
  /** Its next read ahead is planned. */
  isPlanned = false;
  usedAt = 0;
  #readSectors = 0;
  #longestSectors = 0;
  /** The window has grown; it does not grow again before the client is here. */
  #growsAtSector = 0;
  #easyCount = 0;

  /** Forgets everything: what may be a new stream begins with this read. */
  begin(startSector: number, endSector: number): void {
    this.nextSector = endSector;
    this.aheadSector = this.windowSectors = 0;
    this.#readSectors = this.#longestSectors = endSector - startSector;
    this.#growsAtSector = this.#easyCount = 0;
  }

  /** Whether it is long enough to be believed. */
  get isSequential(): boolean {
    const longEnough = this.#readSectors * SECTOR_BYTES >= STREAM_BYTES_MIN;
    return longEnough && this.#readSectors > this.#longestSectors;
  }

  /** Whether it reads so much that nothing of it is worth keeping. */
  get isLong(): boolean {
    return this.#readSectors * SECTOR_BYTES > STREAM_KEPT_BYTES_MAX;
  }

  /** Sectors of one read ahead: a quarter of the window, and a power of two. */
  get chunkSectors(): number {
    const sectors = Math.max(this.windowSectors / 4, CHUNK_SECTORS_MIN, this.#longestSectors);
    return Math.min(2 ** Math.ceil(Math.log2(sectors)), PIECE_SECTORS);
  }

  /** Whether a read that starts at `startSector` continues it. */
  isContinuedAt(startSector: number): boolean {
    const gap = startSector - this.nextSector;
    if (gap === 0) return true;
    return this.isSequential && Math.abs(gap) * SECTOR_BYTES <= STREAM_DISORDER_BYTES_MAX;
  }

  /** A read has continued it. */
  read(startSector: number, endSector: number): void {
    const nrSectors = endSector - startSector;
    this.#readSectors += nrSectors;
    if (nrSectors > this.#longestSectors) this.#longestSectors = nrSectors;
    if (endSector > this.nextSector) this.nextSector = endSector;
    this.windowSectors = Math.max(this.windowSectors, this.#startSectors);
  }

  /** Its client has to wait for the library. */
  waited(windowSectorsMax: number): void {
    this.#easyCount = 0;
    if (this.nextSector < this.#growsAtSector) return;
    this.#growsAtSector = this.nextSector + this.windowSectors;
    this.windowSectors = Math.min(2 * this.windowSectors, windowSectorsMax);
  }

  /** What the library needed `tookMs` for was there `earlyMs` before its client asked for it. */
  arrivedEarly(earlyMs: number, tookMs: number): void {
    if (earlyMs <= EASE_FACTOR * tookMs) {
      this.#easyCount = 0;
    } else if (++this.#easyCount >= EASY_COUNT) {
      this.#easyCount = 0;
      this.windowSectors = Math.max(this.windowSectors / 2, this.#startSectors);
    }
  }

  get #startSectors(): number {
    return Math.max(READAHEAD_START_BYTES / SECTOR_BYTES, 4 * this.#longestSectors);
  }
}

/** The streams of one connection, and places where one could begin. */
export class Streams {
  readonly #streams: Stream[] = [];
  #reads = 0;

  /** Notes a read. Returns the stream that it continues, if that is believed to be one. */
  read(startSector: number, endSector: number): Stream | undefined {
    this.#reads++;
    let oldest = 0;
    for (let at = 0; at < this.#streams.length; at++) {
      const stream = this.#streams[at];
      if (stream?.isContinuedAt(startSector)) {
        stream.usedAt = this.#reads;
        stream.read(startSector, endSector);
        return stream.isSequential ? stream : undefined;
      }
      if ((stream?.usedAt ?? 0) < (this.#streams[oldest]?.usedAt ?? 0)) oldest = at;
    }
    if (this.#streams.length < STREAMS_MAX) oldest = this.#streams.push(new Stream()) - 1;
    const stream = this.#streams[oldest];
    stream?.begin(startSector, endSector);
    if (stream) stream.usedAt = this.#reads;
    return undefined;
  }
}
