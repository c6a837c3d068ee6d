// Where a control read may look: a sector that shows whether the library works at all, away from
// everything that is suspect. Pure. The rule: it must not touch what may kill the library.

/** A range of sectors to stay away from. */
export interface Avoided {
  startSector: number;
  nrSectors: number;
}

/** How often to look for another sector at random. */
const TRIES_MAX = 16;

/**
 * A sector of 0 to `capacitySectors` - 1: `goodSector`, where something worked lately, or one at
 * random, if that is suspect or there is none.
 */
export function pickControlSector(
  goodSector: number | undefined,
  capacitySectors: number,
  avoided: readonly Avoided[],
  random: () => number,
): number {
  const isSuspect = (sector: number): boolean =>
    avoided.some(
      ({ startSector, nrSectors }) => startSector <= sector && sector < startSector + nrSectors,
    );
  let sector = goodSector ?? Math.floor(random() * capacitySectors);
  for (let tries = 0; tries < TRIES_MAX && isSuspect(sector); tries++) {
    sector = Math.floor(random() * capacitySectors);
  }
  return sector;
}
