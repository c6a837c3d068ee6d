// What this process does to itself before it holds secrets. helper/addon/process.c does it.
// The rule: forbidDumps() comes before a password is read.
import { addonPath, loadAddon } from '../base/addon.js';

/** No core file of this process is written, and no other process of the user may look into it. */
export function forbidDumps(): void {
  (loadAddon(addonPath('process')) as { forbidDumps(): void }).forbidDumps();
}
