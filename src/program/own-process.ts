// What this process does to itself before it holds secrets. helper/addon/process.c does it.
// The rule: forbidDumps() comes before a password is read.
import { readFileSync } from 'node:fs';
import { addonPath, loadAddon } from '../base/addon.js';

/** No core file of this process is written, and no other process of the user may look into it. */
export function forbidDumps(): void {
  (loadAddon(addonPath('process')) as { forbidDumps(): void }).forbidDumps();
}

/** How many descriptors this process may have, as node has raised it; Infinity if any number. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  return Number(/^Max open files +(\d+) /m.exec(limits)?.[1] ?? Infinity);
}
