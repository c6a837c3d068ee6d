// The disks of a server, by the names that clients know them by. Each has its own helper, its own
// supervision and its own memory; none knows of the others. serve.ts makes one, the handshake of
// each client looks its disk up in it.
// The rule: the first is the default export, which the empty name means too.
import { EXPORTS_MAX } from '../base/limits.js';
import type { Found, ListedExport } from '../nbd/export.js';
import type { Exports, ServedExport } from '../server/exports.js';
import { type DiskSpec, ServedDisk, type ServedDiskOptions } from './served-disk.js';

export interface DiskSetOptions extends Omit<ServedDiskOptions, keyof DiskSpec | 'open'> {
  /** Names differ. */
  specs: readonly DiskSpec[];
  /** Clients may ask for the only disk by any name. */
  anyName: boolean;
  /** Whether a client may ask for the file of this name (export=). None, if undefined. */
  allows?: ((name: string) => boolean) | undefined;
  open: (file: string) => ReturnType<ServedDiskOptions['open']>;
}

export class DiskSet implements Exports {
  readonly #options: DiskSetOptions;
  readonly #named: readonly ServedDisk[];
  /** Disks that clients have named, by their files. */
  readonly #asked = new Map<string, ServedDisk>();

  constructor(options: DiskSetOptions) {
    this.#options = options;
    this.#named = options.specs.map((spec) => this.#serve(spec));
  }

  #serve(spec: DiskSpec): ServedDisk {
    const { clock, log, open } = this.#options;
    return new ServedDisk({ ...spec, open: () => open(spec.file), clock, log });
  }

  get disks(): readonly ServedDisk[] {
    return this.#asked.size === 0 ? this.#named : [...this.#named, ...this.#asked.values()];
  }

  /** What a client may see: nobody learns from us which files others have asked for. */
  list(): readonly ListedExport[] {
    return this.#named;
  }

  lookup(name: string): Found<ServedExport> | Promise<Found<ServedExport>> {
    const meansFirst = this.#options.anyName || name === '';
    const disk = meansFirst ? this.#named[0] : this.#named.find((each) => each.name === name);
    return disk?.served() ?? this.#byFile(name);
  }

  /** A disk that stays open once it is: other connections of the same client follow. */
  #byFile(name: string): Found<ServedExport> | Promise<Found<ServedExport>> {
    if (name === '' || this.#options.allows?.(name) !== true) return 'no export has this name';
    let disk = this.#asked.get(name);
    if (disk === undefined) {
      if (this.#asked.size >= EXPORTS_MAX) this.#forgetFailed();
      if (this.#asked.size >= EXPORTS_MAX)
        return `${EXPORTS_MAX} disks are open, which is the most`;
      disk = this.#serve({ name, file: name });
      this.#asked.set(name, disk);
    }
    return disk.served();
  }

  /** Names that led to nothing must not take the places of disks. */
  #forgetFailed(): void {
    for (const [name, disk] of this.#asked) if (disk.hasFailed) this.#asked.delete(name);
  }

  /** Flushes and closes all of them at once; returns why data may not be durable. */
  async close(): Promise<string[]> {
    const only = this.disks.length === 1;
    const reasons = await Promise.all(
      this.disks.map(async (disk) => {
        const own = await disk.close();
        return only ? own : own.map((reason) => `${disk.label}: ${reason}`);
      }),
    );
    return reasons.flat();
  }
}
