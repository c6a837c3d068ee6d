// Starts the fake helper (test/fixtures/fake-helpers/fake-helper.js) for tests of what is above it.
import { join } from 'node:path';
import { Arenas } from '../../src/arena/arena.js';
import { systemClock } from '../../src/base/clock.js';
import { MEMORY_BYTES_MIN } from '../../src/base/limits.js';
import { type Log, createLog } from '../../src/base/log.js';
import type { Helper } from '../../src/helper/helper.js';
import { type HelperOptions, startHelper } from '../../src/helper/live-helper.js';
import type { HelloParams, HelperEvent } from '../../src/helper/protocol.js';

const PROGRAM = join(import.meta.dirname, '../fixtures/fake-helpers/fake-helper.js');

/** What startHelper() takes as `command`; `options` are KEY=VALUE (see the program). */
export function fakeHelperCommand(...options: string[]): string[] {
  return [process.execPath, PROGRAM, ...options];
}

/** Parameters of a HELLO that the fake helper does not look at. */
export function helloParams(arenas: Arenas): HelloParams {
  return {
    libraries: ['/fake/libvixDiskLib.so.8'],
    libdir: '/fake',
    config: undefined,
    readArenaBytes: arenas.arenaBytes,
    writeArenaBytes: arenas.arenaBytes,
  };
}

export interface FakeHelper {
  helper: Helper;
  arenas: Arenas;
  events: HelperEvent[];
  lines: string[];
  /** HELLO, CONNECT, OPEN, INFO. */
  open: () => Promise<void>;
}

/** A fake helper with arenas of its own, killed and cleaned up by `teardown`. */
export function startFakeHelper(
  teardown: (clean: () => unknown) => void,
  options: string[],
  overrides: Partial<HelperOptions> = {},
): FakeHelper {
  const arenas = Arenas.create(MEMORY_BYTES_MIN);
  const events: HelperEvent[] = [];
  const lines: string[] = [];
  const log: Log = createLog({ write: (line) => lines.push(line), verbose: true });
  const helper = startHelper({
    command: fakeHelperCommand(...options),
    libraryDirs: [],
    readFd: arenas.readFd,
    writeFd: arenas.writeFd,
    clock: systemClock,
    log,
    listener: { event: (event) => events.push(event) },
    ...overrides,
  });
  teardown(async () => {
    helper.kill('was killed by the test');
    await helper.ended;
    arenas.close();
  });
  const open = async (): Promise<void> => {
    await helper.call('HELLO', helloParams(arenas));
    await helper.call('CONNECT', { readOnly: false });
    await helper.call('OPEN', { path: '/fake.vmdk', flags: 0 });
    await helper.call('INFO', {});
  };
  return { helper, arenas, events, lines, open };
}
