// What the debug flags vddk.stats and vddk.extents want to know of a disk. open-disk.ts hands it to
// the disk.
// The rule: without a flag nobody observes, and nothing is counted.
import { SECTOR_BYTES } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { BlocksQuestion } from '../disk/extents.js';
import type { DiskObserver } from '../disk/helper-disk-options.js';
import type { DebugFlags } from '../vddk/debug-flags.js';
import type { LibraryStats } from './library-stats.js';

/** nbdkit's words, so that what reads its log reads ours. */
function extentLine(isData: boolean, startSector: number, nrSectors: number): string {
  const [startBytes, lengthBytes] = [startSector * SECTOR_BYTES, nrSectors * SECTOR_BYTES];
  const type = isData ? 'allocated data' : 'hole';
  const lastByte = startBytes + lengthBytes - 1;
  return `adding extent type ${type} at [${startBytes}...${lastByte}] (length ${lengthBytes})`;
}

/** A line for each run of data and each hole in what the library said; `blocks`: runs of data. */
export function extentLines(
  { startSector, nrSectors }: BlocksQuestion,
  blocks: readonly number[] | undefined,
): string[] {
  const lines: string[] = [];
  const add = (isData: boolean, start: number, end: number): void => {
    if (end > start) lines.push(extentLine(isData, start, end - start));
  };
  const endSector = startSector + nrSectors;
  let atSector = startSector;
  for (let i = 0; i < (blocks?.length ?? 0); i += 2) {
    const [start = 0, length = 0] = [blocks?.[i], blocks?.[i + 1]];
    add(false, atSector, start);
    add(true, start, start + length);
    atSector = start + length;
  }
  add(blocks === undefined, atSector, endSector);
  return lines;
}

/** Observes what `flags` ask for; `stats` is there if they ask for that. */
export function diskObserver(
  flags: DebugFlags,
  stats: LibraryStats | undefined,
  log: Log,
): DiskObserver {
  return {
    ...(stats && {
      counted: (counts) => {
        stats.add(counts);
      },
    }),
    ...(flags.extents &&
      log.verbose && {
        allocated: (question, blocks) => {
          if (blocks === undefined) log.debug('QueryAllocatedBlocks failed: all is data');
          for (const line of extentLines(question, blocks)) log.debug(line);
        },
      }),
  };
}
