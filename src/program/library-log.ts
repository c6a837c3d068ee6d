// What a library says, on its way to the log: remembered while a disk is opened, to find the reason
// of a failure in it; telemetry made quiet; what it means told once when the disk is served.
// The rule: the last lines are kept, however many there are.
import { DIAGNOSIS_LINES_MAX } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { HelperListener } from '../helper/helper.js';
import type { HelperEvent } from '../helper/protocol.js';
import { diagnose, type Diagnosis, isNoise } from '../vddk/diagnosis.js';

/** What a line is: which callback the library gave it to, or the helper's own. */
const LEVEL_NAMES = {
  debug: 'log',
  warning: 'warning',
  error: 'panic',
  helper: 'helper',
  trace: 'call',
} as const;

export interface LibraryLogOptions {
  /** What the log calls the disk. */
  name: string;
  /** Whether its sessions log in by a cookie. */
  byCookie: boolean;
  log: Log;
}

/** The lines of one disk's helpers. */
export class LibraryLog {
  readonly #options: LibraryLogOptions;
  readonly #told = new Set<string>();
  #lines: string[] | undefined = [];
  /** The last that was more than a message: often the only place with the reason. */
  lastWarning: string | undefined = undefined;

  constructor(options: LibraryLogOptions) {
    this.#options = options;
  }

  /** A listener that sees all before `next` does. */
  listener(next: HelperListener): HelperListener {
    return {
      event: (event) => {
        next.event(this.#pass(event));
      },
    };
  }

  /** The disk is open: from now on what is seen is told, not kept. */
  opened(): void {
    this.#lines = undefined;
  }

  /** The reason in what was kept, if there is a known one. */
  diagnosis(): Diagnosis | undefined {
    return diagnose(this.#lines ?? [], this.#options.byCookie);
  }

  #pass(event: HelperEvent): HelperEvent {
    if (event.name === 'panic') {
      this.#see(event.text, true);
      return event;
    }
    const level = event.level === 'warning' && isNoise(event.text) ? 'debug' : event.level;
    if (level !== 'trace') this.#see(event.text, level !== 'debug');
    if (!this.#options.log.verbose) return { ...event, level };
    const time = new Date().toISOString().slice(11, 23);
    return { ...event, level, text: `${time} ${LEVEL_NAMES[event.level]}: ${event.text}` };
  }

  #see(line: string, isWarning: boolean): void {
    if (this.#lines !== undefined) {
      if (isWarning) this.lastWarning = line;
      this.#lines.push(line);
      if (this.#lines.length > DIAGNOSIS_LINES_MAX) this.#lines.shift();
      return;
    }
    const found = isWarning ? diagnose([line], this.#options.byCookie) : undefined;
    if (found === undefined || this.#told.has(found.id)) return;
    this.#told.add(found.id);
    this.#options.log.warning(`${this.#options.name}: ${found.cause}. ${found.remedy}`);
  }
}
