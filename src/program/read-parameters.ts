// From what the user gave - arguments, a file of parameters - to the parameters of a disk, with
// the secrets in them. Called by every command that takes parameters, before anything is started.
// The rule: a secret is hidden from the log before anything else is done with it.
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { hideFromLogs, type Log } from '../base/log.js';
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

function readParamsFile(file: string, log: Log): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new VddkNbdError('START', `--params ${file}: ${messageOf(error)}`, {
      hint: 'Check the name of the file, and its permissions.',
      cause: error,
    });
  }
  const parameters = parseParamsFile(text, file);
  if (parameters.some(hasLiteralSecret) && (statSync(file).mode & 0o077) !== 0) {
    log.warning(`${file} has a secret in it and can be read by others; chmod 600 helps`);
  }
  return parameters;
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

/** The secrets of `source`, by the raw bytes of the argument if they were given as one. */
async function secretOf(
  key: 'password' | 'cookie',
  source: SecretSource | undefined,
  { argv, log }: ParameterSources,
): Promise<Buffer | undefined> {
  if (source === undefined) return undefined;
  const argument = argv.find((text) => text.startsWith(`${key}=`));
  let from = source;
  if (source.kind === 'literal' && argument !== undefined) {
    log.warning(
      `${key}= on the command line can be read by everybody on this machine; ` +
        `use ${key}=+FILE, or ${key}=-FD`,
    );
    const bytes = bytesOfArgument(argument).subarray(key.length + 1);
    from = { kind: 'literal', bytes };
  }
  const secret = await readSecret(from, key, {
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
  const { argv, log, paramsFile } = sources;
  const fromFile = paramsFile === undefined ? [] : readParamsFile(paramsFile, log);
  for (const argument of [...argv, ...fromFile].filter(hasLiteralSecret)) {
    hideFromLogs(Buffer.from(splitArgument(argument)?.[1] ?? ''));
  }
  const { parameters, warnings } = parseParameters([...argv, ...fromFile], {
    filesElsewhere: sources.filesElsewhere ?? false,
  });
  const { config, libdir, remote } = parameters;
  const password = await secretOf('password', remote?.password, sources);
  const cookie = await secretOf('cookie', remote?.cookie, sources);
  hideArgv(argv);
  for (const warning of warnings) log.warning(warning);
  if (libdir !== undefined && !existsSync(libdir)) realPath('libdir', libdir);
  return {
    ...parameters,
    config: config === undefined ? undefined : realPath('config', config),
    remote: remote && { ...remote, password, cookie },
  };
}
