// `vddk-nbd dump-plugin`: what is there and whether it works, in the keys of nbdkit's
// --dump-plugin. Called by two commands.
// The rule: a library that the user named must load; one that is only found need not.
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { probeLibrary } from '../disk/probe-library.js';
import { HelperCallError } from '../helper/helper.js';
import { startHelper } from '../helper/live-helper.js';
import { type HelloResult, PROTOCOL_VERSION } from '../helper/protocol.js';
import { explainRefusal } from '../vddk/errors.js';
import { findLibraries, type Libraries, USUAL_LIBDIRS } from '../vddk/libraries.js';
import { parseLibraryParameters } from '../vddk/parameters.js';
import { librarySearch } from './open-disk.js';
import { type ParameterSources, readArguments, withRealPaths } from './read-parameters.js';

type Parameters = ReturnType<typeof parseLibraryParameters>;

async function probe(libraries: Libraries, parameters: Parameters, log: Log): Promise<HelloResult> {
  const { candidates, libdir } = libraries;
  try {
    return await probeLibrary({
      hello: { libraries: candidates, libdir, config: parameters.config },
      startHelper: ({ readFd, writeFd }) =>
        startHelper({
          libraryDirs: candidates.slice(0, 1).map((library) => path.dirname(library)),
          readFd,
          writeFd,
          clock: systemClock,
          log,
          listener: {
            event: (event) => {
              log.debug(event.text);
            },
          },
        }),
      clock: systemClock,
    });
  } catch (thrown) {
    throw thrown instanceof HelperCallError ? explainRefusal(thrown) : thrown;
  }
}

/** The library's keys; none if there is no VDDK, and no engine or directory was asked for. */
async function libraryKeys(parameters: Parameters, log: Log): Promise<Record<string, string>> {
  const named = parameters.libdir !== undefined || parameters.engine !== 'auto';
  try {
    const libraries = findLibraries(librarySearch({ ...parameters, remote: undefined }));
    for (const line of libraries.passedOver) log.warning(line);
    const engine = { vddk_nbd_engine: libraries.engine };
    if (libraries.engine === 'builtin' && !named) return engine;
    const hello = await probe(libraries, parameters, log);
    const functions = hello.functions.map((name) => [`VixDiskLib_${name}`, '1']);
    return {
      ...engine,
      vddk_library_version: String(hello.libraryVersion),
      vddk_dll: hello.library,
      vddk_transport_modes: hello.transportModes,
      ...(Object.fromEntries(functions) as Record<string, string>),
    };
  } catch (thrown) {
    if (named || !(thrown instanceof VddkNbdError)) throw thrown;
    log.warning(`${messageOf(thrown)}. ${thrown.hint ?? ''}`);
    return {};
  }
}

/**
 * Keys and values, in nbdkit's order.
 * @throws VddkNbdError if the parameters are wrong, or what they name is not there or doesn't load.
 */
export async function dumpPlugin(
  sources: ParameterSources,
  program: { version: string; path: string },
): Promise<Record<string, string>> {
  const parameters = withRealPaths(parseLibraryParameters(readArguments(sources)));
  return {
    path: program.path,
    name: 'vddk',
    version: program.version,
    max_thread_model: 'parallel',
    thread_model: 'parallel',
    magic_config_key: 'file',
    vddk_nbd_helper_version: String(PROTOCOL_VERSION),
    vddk_default_libdir: USUAL_LIBDIRS[0],
    vddk_has_nfchostport: '1',
    ...(await libraryKeys(parameters, sources.log)),
  };
}
