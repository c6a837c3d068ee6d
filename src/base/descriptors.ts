// Whether there are file descriptors enough to start a process. Who starts one asks here first.
// The rule: nothing is awaited between the answer and the start. Where node has no descriptor for
// the pipes of a process it emits an error that execa does not listen for, and that ends us.
import { closeSync, openSync } from 'node:fs';
import { SPAWN_DESCRIPTORS } from './limits.js';

/** Throws EMFILE (or ENFILE) unless SPAWN_DESCRIPTORS are free. */
export function checkSpawnDescriptors(): void {
  const taken: number[] = [];
  try {
    while (taken.length < SPAWN_DESCRIPTORS) taken.push(openSync('/dev/null', 'r'));
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}
