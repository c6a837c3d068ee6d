// Loads the addons that helper/addon/ builds. Their users are arena/, base/sockets.ts and program/.
// The rule: a machine on which they were not built gets an error that says so.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { messageOf, VddkNbdError } from './errors.js';

/** The file of an addon; the same from src/base/ and from dist/base/. */
export function addonPath(name: 'arena' | 'process' | 'socket'): string {
  return fileURLToPath(new URL(`../../build/addon/${name}.node`, import.meta.url));
}

/** What the addon at `path` exports. Throws VddkNbdError (SYSTEM) if it can't be loaded. */
export function loadAddon(path: string): unknown {
  try {
    return createRequire(import.meta.url)(path);
  } catch (cause) {
    throw new VddkNbdError(
      'SYSTEM',
      `can't load ${path}: ${messageOf(cause).split('\n')[0] ?? ''}`,
      {
        hint: 'Run make in the directory of vddk-nbd.',
        cause,
      },
    );
  }
}
