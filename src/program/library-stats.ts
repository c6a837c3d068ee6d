// -D vddk.stats=1: what was spent in each function of the library, over all disks and their
// helpers, the dead ones too. serve.ts prints it at the end.
// The rule: the table is nbdkit's, because people have scripts that read it.
import type { CallCount } from '../helper/call-counts.js';

function row(name: string, us: string, calls: string, bytes: string): string {
  return `${name.padEnd(25)} ${us.padStart(14)} ${calls.padStart(5)} ${bytes.padStart(15)}`;
}

export class LibraryStats {
  readonly #counts = new Map<string, CallCount>();

  /** Adds what was counted of one disk. */
  add(counts: readonly CallCount[]): void {
    for (const { name, calls, bytes, us } of counts) {
      const sum = this.#counts.get(name) ?? { name, calls: 0n, bytes: 0n, us: 0n };
      this.#counts.set(name, {
        name,
        calls: sum.calls + calls,
        bytes: sum.bytes + bytes,
        us: sum.us + us,
      });
    }
  }

  /** The table, what took longest first. */
  lines(): string[] {
    const sorted = [...this.#counts.values()].sort((a, b) => (a.us < b.us ? 1 : -1));
    return [
      'VDDK function stats (-D vddk.stats=1):',
      row('VixDiskLib_...', 'us', 'calls', 'bytes').trimEnd(),
      ...sorted.map(({ name, us, calls, bytes }) =>
        row(name, String(us), String(calls), bytes === 0n ? '' : String(bytes)).trimEnd(),
      ),
    ];
  }
}
