// What the library and the helper say on their own: into the log, or, while the disk is being
// opened for the first time, aside, to explain a refusal.
import type { Log } from '../base/log.js';
import type { HelperEvent } from '../helper/protocol.js';

/** Lines of the library kept while a disk is being opened. */
const OPENING_LINES_MAX = 32;

export class LibraryVoice {
  readonly #name: string;
  readonly #log: Log;
  #lines: string[] | undefined;

  /** `name` is what the log calls the disk. */
  constructor(name: string, log: Log) {
    this.#name = name;
    this.#log = log;
  }

  /** From now on warnings are kept. */
  collect(): void {
    this.#lines = [];
  }

  /** What was kept; from now on everything is logged. */
  release(): string[] {
    const lines = this.#lines ?? [];
    this.#lines = undefined;
    return lines;
  }

  event(event: HelperEvent): void {
    if (event.name === 'panic') {
      this.#keep(event.text);
      this.#log.error(`${this.#name}: the library panicked: ${event.text}`);
      return;
    }
    const { dropped, level, text } = event;
    if (dropped > 0) this.#log.debug(`${dropped} messages of the library were lost`);
    if (level === 'debug' || level === 'trace') this.#log.debug(text);
    else if (this.#lines === undefined) this.#log.warning(text);
    else this.#keep(text);
  }

  #keep(line: string): void {
    if (this.#lines !== undefined && this.#lines.length < OPENING_LINES_MAX) this.#lines.push(line);
  }
}
