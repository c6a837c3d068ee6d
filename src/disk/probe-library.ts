// Loads and initialises a disk library in a helper, without a disk: for dump-plugin.
// The rule: when it returns, the helper is gone.
import { Arenas } from '../arena/arena.js';
import type { Clock } from '../base/clock.js';
import { CALL_TIMEOUT_FACTOR, MEMORY_BYTES_MIN, REQUEST_TIMEOUT_MS } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import type { HelloParams, HelloResult } from '../helper/protocol.js';

export interface ProbeOptions {
  hello: Omit<HelloParams, 'readArenaBytes' | 'writeArenaBytes'>;
  startHelper: (arenas: Arenas) => Helper;
  clock: Clock;
}

/** Rejects with HelperCallError if it can't be loaded, VddkNbdError if the helper ends. */
export async function probeLibrary(options: ProbeOptions): Promise<HelloResult> {
  const arenas = Arenas.create(MEMORY_BYTES_MIN);
  const helper = options.startHelper(arenas);
  const timer = options.clock.after(REQUEST_TIMEOUT_MS * CALL_TIMEOUT_FACTOR, () => {
    helper.kill('gave no answer to HELLO');
  });
  try {
    const bytes = { readArenaBytes: arenas.arenaBytes, writeArenaBytes: arenas.arenaBytes };
    return await helper.call('HELLO', { ...options.hello, ...bytes });
  } finally {
    timer.cancel();
    helper.kill('it was only asked');
    await helper.ended;
    arenas.close();
  }
}
