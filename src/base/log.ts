// Lines on stderr: `vddk-nbd: level: text`. Everybody logs through a Log, so that a test can
// listen and so that no text reaches the terminal with control characters or secrets in it.
// The rule: a secret is told to hideFromLogs() before it is given to anybody.

export type LogLevel = 'error' | 'warning' | 'info' | 'debug';

/** What a line of JSON has besides its text. */
export type LogDetails = Readonly<Record<string, unknown>>;

/** Where log lines go. */
export interface Log {
  error(text: string, details?: LogDetails): void;
  warning(text: string): void;
  info(text: string): void;
  debug(text: string): void;
  /** Whether debug() prints anything: asked before an expensive text is built. */
  readonly verbose: boolean;
}

/** Shorter secrets are parts of words: to hide them would spoil the log, and tell them. */
const HIDDEN_CHARACTERS_MIN = 4;

const hidden = new Set<string>();

/** From now on no line of any log has `secret` in it. */
export function hideFromLogs(secret: Buffer): void {
  const text = printable(secret.toString());
  if (text.length >= HIDDEN_CHARACTERS_MIN) hidden.add(text);
}

/** One line, printable, without secrets: a library's text may hold anything. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is being replaced
  let line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  for (const secret of hidden) line = line.replaceAll(secret, '***');
  return line;
}

/**
 * A log that hands complete lines to `write`.
 * info lines are printed bare after the prefix (they are what the user waits for); debug lines
 * only if `verbose`. With `json` each line is an object: level, time, text, and any details.
 */
export function createLog(options: {
  write: (line: string) => void;
  verbose: boolean;
  json?: boolean;
}): Log {
  const line = (level: LogLevel, text: string, details?: LogDetails): void => {
    if (options.json) {
      const time = new Date().toISOString();
      const shown = (_key: string, value: unknown): unknown =>
        typeof value === 'string' ? printable(value) : value;
      options.write(`${JSON.stringify({ level, time, text, ...details }, shown)}\n`);
      return;
    }
    options.write(`vddk-nbd: ${level === 'info' ? '' : `${level}: `}${printable(text)}\n`);
  };
  return {
    error: (text, details) => {
      line('error', text, details);
    },
    warning: (text) => {
      line('warning', text);
    },
    info: (text) => {
      line('info', text);
    },
    debug: (text) => {
      if (options.verbose) line('debug', text);
    },
    verbose: options.verbose,
  };
}

/** A log that drops everything. */
export const silentLog: Log = createLog({ write: () => undefined, verbose: false });
