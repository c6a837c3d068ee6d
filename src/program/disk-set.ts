// The disks of a server, by the names that clients know them by. Each has its own helper, its own
// supervision and its own memory; none knows of the others. serve.ts makes one, the handshake of
// each client looks its disk up in it.
// The rule: the first is the default export, which the empty name means too.
import type { Found, ListedExport } from '../nbd/export.js';
import type { Exports, ServedExport } from '../server/exports.js';
import { type DiskSpec, ServedDisk, type ServedDiskOptions } from './served-disk.js';

export interface DiskSetOptions extends Omit<ServedDiskOptions, keyof DiskSpec | 'open'> {
  /** At least one; names differ. */
  specs: readonly DiskSpec[];
  /** Clients may ask for the only disk by any name. */
  anyName: boolean;
  open: (file: string) => ReturnType<ServedDiskOptions['open']>;
}

export class DiskSet implements Exports {
  readonly disks: readonly ServedDisk[];
  readonly #anyName: boolean;

  constructor({ specs, anyName, open, clock, log }: DiskSetOptions) {
    this.disks = specs.map(
      (spec) => new ServedDisk({ ...spec, open: () => open(spec.file), clock, log }),
    );
    this.#anyName = anyName;
  }

  list(): readonly ListedExport[] {
    return this.disks;
  }

  lookup(name: string): Found<ServedExport> | Promise<Found<ServedExport>> {
    const meansFirst = this.#anyName || name === '';
    const disk = meansFirst ? this.disks[0] : this.disks.find((each) => each.name === name);
    return disk?.served() ?? 'no export has this name';
  }

  /** Flushes and closes all of them at once; returns why data may not be durable. */
  async close(): Promise<string[]> {
    const reasons = await Promise.all(
      this.disks.map(async (disk) => {
        const own = await disk.close();
        return this.disks.length === 1 ? own : own.map((reason) => `${disk.label}: ${reason}`);
      }),
    );
    return reasons.flat();
  }
}
