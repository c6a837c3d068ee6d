// One disk of a server: opened at the start or when the first client asks for it, by one attempt
// that all who wait share, and closed at the end. disk-set.ts has them by name.
// The rule: a client can't make us try again and again; a vCenter locks accounts for that.
import type { Clock } from '../base/clock.js';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { NBD_STRING_BYTES_MAX, OPEN_RETRY_MS } from '../base/limits.js';
import { type Log, printable } from '../base/log.js';
import { formatBytes } from '../base/units.js';
import type { Found } from '../nbd/export.js';
import { serveDisk, type ServedExport } from '../server/exports.js';
import type { OpenedDisk } from './open-disk.js';

/** A name that clients know, and the disk behind it. */
export interface DiskSpec {
  /** "" is the default export. */
  name: string;
  file: string;
}

export interface ServedDiskOptions extends DiskSpec {
  /** Opens the disk; throws VddkNbdError. */
  open: () => Promise<OpenedDisk>;
  clock: Clock;
  log: Log;
}

/** What a client is told: it gets text of limited length, and no control characters. */
function sentence(text: string): string {
  return printable(text).slice(0, NBD_STRING_BYTES_MAX / 4);
}

/** Size and access of a disk, for people. */
export function describeDisk({ disk }: OpenedDisk): string {
  return `${formatBytes(disk.sizeBytes)}, ${disk.readOnly ? 'read-only' : 'writable'}`;
}

export class ServedDisk {
  readonly name: string;
  readonly file: string;
  readonly #options: ServedDiskOptions;
  #opening: Promise<OpenedDisk> | undefined;
  #opened: { served: ServedExport; disk: OpenedDisk } | undefined;
  #failure: { text: string; atMs: number } | undefined;
  #closed = false;

  constructor(options: ServedDiskOptions) {
    this.name = options.name;
    this.file = options.file;
    this.#options = options;
  }

  /** For people: what LIST shows. */
  get description(): string {
    return this.file;
  }

  /** Undefined until it is open. */
  get opened(): OpenedDisk | undefined {
    return this.#opened?.disk;
  }

  /** It is neither open nor being opened, because it could not be. */
  get hasFailed(): boolean {
    return this.#failure !== undefined && !this.#opened && !this.#opening;
  }

  /** Opens it if it isn't open yet. @throws VddkNbdError if it can't be opened. */
  open(): Promise<OpenedDisk> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<OpenedDisk> {
    if (this.#opened !== undefined) return this.#opened.disk;
    const disk = await this.#options.open();
    if (this.#closed) {
      await disk.disk.close();
      throw new VddkNbdError('START', 'the server is stopping');
    }
    this.#opened = { served: serveDisk(disk.disk, this.name, this.description), disk };
    return disk;
  }

  /** The export for a client, once the disk is open. */
  served(): Found<ServedExport> | Promise<Found<ServedExport>> {
    if (this.#opened !== undefined) return this.#opened.served;
    const failure = this.#failure;
    if (failure !== undefined && this.#options.clock.nowMs() - failure.atMs < OPEN_RETRY_MS) {
      return failure.text;
    }
    return this.#openForClient();
  }

  async #openForClient(): Promise<Found<ServedExport>> {
    const { clock, log } = this.#options;
    const first = this.#opening === undefined;
    try {
      const opened = await this.open();
      if (first) log.info(`${this.label} (${describeDisk(opened)}) is open with ${opened.engine}`);
      return this.#opened?.served ?? 'the disk has been closed';
    } catch (thrown) {
      const text = sentence(`the disk can't be opened: ${messageOf(thrown)}`);
      this.#failure = { text, atMs: clock.nowMs() };
      if (first) {
        const hint = thrown instanceof VddkNbdError ? thrown.hint : undefined;
        log.error(`${this.label}: ${messageOf(thrown)}${hint === undefined ? '' : `. ${hint}`}`);
      }
      return text;
    }
  }

  /** For log lines. */
  get label(): string {
    return this.name === '' ? this.file : `export ${this.name}: ${this.file}`;
  }

  /**
   * Flushes and closes the disk if it is open. One that is just being opened is not waited for: no
   * client has it yet. Returns the reasons why data may not be durable.
   */
  async close(): Promise<string[]> {
    this.#closed = true;
    return (await this.#opened?.disk.disk.close()) ?? [];
  }
}
