// From what the user gave - arguments, a file of parameters - to the parameters of a disk, with
// the secrets in them. Called by every command that takes parameters, before anything is started.
// The rule: a secret is hidden from the log before anything else is done with it.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { PARAMS_FILE_BYTES_MAX } from '../base/limits.js';
import { hideFromLogs, type Log } from '../base/log.js';
import { bytesOf, textOf } from '../base/raw-text.js';
import { readFileUpTo } from '../base/read-up-to.js';
import { hideSuspects } from '../base/suspects.js';
import { type DiskParameters, parseParameters, splitArgument } from '../vddk/parameters.js';
import { parseParamsFile } from '../vddk/params-file.js';
import { promptSecret } from '../vddk/prompt.js';
import { readSecret, type SecretSource } from '../vddk/secrets.js';
import { bytesOfArgument, hasLiteralSecret, hideArgv } from './hide-argv.js';

export interface ParameterSources {
  argv: readonly string[];
  /** --params */
  paramsFile: string | undefined;
  /** Whether something else names the files of the disks. */
  filesElsewhere?: boolean;
  log: Log;
}

function contentsOf(file: string): Buffer {
  try {
    return readFileUpTo(file, PARAMS_FILE_BYTES_MAX);
  } catch (error) {
    throw new VddkNbdError('START', `--params ${file}: ${messageOf(error)}`, {
      hint: 'Check the name of the file, and its permissions.',
      cause: error,
    });
  }
}

function readParamsFile(file: string, log: Log): string[] {
  if (file === '') {
    throw new VddkNbdError('USAGE', '--params is empty', { hint: 'Give it a value.' });
  }
  const bytes = contentsOf(file);
  if (bytes.length > PARAMS_FILE_BYTES_MAX) {
    const message = `--params ${file}: it has more than ${PARAMS_FILE_BYTES_MAX} bytes`;
    throw new VddkNbdError('USAGE', message, { hint: 'Check that it is the right file.' });
  }
  const text = textOf(bytes);
  hideSuspects(text.split(/[\r\n]+/));
  const parameters = parseParamsFile(text, file);
  if (parameters.some(hasLiteralSecret) && (statSync(file).mode & 0o077) !== 0) {
    log.warning(`${file} has a secret in it and can be read by others; chmod 600 helps`);
  }
  return parameters;
}

/**
 * The arguments of a command line and of the file of --params; literal secrets among them are
 * hidden from now on.
 */
export function readArguments({ argv, log, paramsFile }: ParameterSources): string[] {
  const fromFile = paramsFile === undefined ? [] : readParamsFile(paramsFile, log);
  const given = [...argv.map((text) => textOf(bytesOfArgument(text))), ...fromFile];
  for (const argument of given.filter(hasLiteralSecret)) {
    hideFromLogs(bytesOf(splitArgument(argument)?.[1] ?? ''));
  }
  hideArgv(argv);
  return given;
}

/** The real path of `file`, as nbdkit gives config= to the library. */
function realPath(key: string, file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    throw new VddkNbdError('START', `${key}=${file}: there is no such file or directory`, {
      hint: 'Check the path.',
      cause: error,
    });
  }
}

/** `parameters`, with the real paths of what is there. @throws VddkNbdError START if it is not */
export function withRealPaths<Given extends Pick<DiskParameters<unknown>, 'config' | 'libdir'>>(
  parameters: Given,
): Given {
  const { config, libdir } = parameters;
  if (libdir !== undefined && !existsSync(libdir)) realPath('libdir', libdir);
  return config === undefined ? parameters : { ...parameters, config: realPath('config', config) };
}

/** The secret that `source` says. */
async function secretOf(
  key: 'password' | 'cookie',
  source: SecretSource | undefined,
  { argv, log }: ParameterSources,
): Promise<Buffer | undefined> {
  if (source === undefined) return undefined;
  const isGiven = source.kind === 'literal' && source.bytes.length > 0;
  if (isGiven && argv.some((text) => text.startsWith(`${key}=`))) {
    log.warning(
      `${key}= on the command line can be read by everybody on this machine; ` +
        `use ${key}=+FILE, or ${key}=-FD`,
    );
  }
  const secret = await readSecret(source, key, {
    prompt: promptSecret,
    warn: (text) => {
      log.warning(text);
    },
  });
  hideFromLogs(secret);
  return secret;
}

/**
 * The parameters of the disk, with everything read that they name but the disk itself.
 * @throws VddkNbdError; nothing was started then.
 */
export async function readParameters(sources: ParameterSources): Promise<DiskParameters> {
  const { parameters, warnings } = parseParameters(readArguments(sources), {
    filesElsewhere: sources.filesElsewhere ?? false,
  });
  const { remote } = parameters;
  const password = await secretOf('password', remote?.password, sources);
  const cookie = await secretOf('cookie', remote?.cookie, sources);
  for (const warning of warnings) sources.log.warning(warning);
  return { ...withRealPaths(parameters), remote: remote && { ...remote, password, cookie } };
}
