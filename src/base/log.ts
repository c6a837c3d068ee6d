// Lines on stderr: `vddk-nbd: level: text`. Everybody logs through a Log, so that a test can
// listen and so that no text reaches the terminal with control characters or secrets in it.

export type LogLevel = 'error' | 'warning' | 'info' | 'debug';

/** Where log lines go. */
export interface Log {
  error(text: string): void;
  warning(text: string): void;
  info(text: string): void;
  debug(text: string): void;
  /** Whether debug() prints anything: asked before an expensive text is built. */
  readonly verbose: boolean;
}

/** One line, printable: a library's text may hold anything. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is being replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}

/**
 * A log that hands complete lines to `write`.
 * info lines are printed bare after the prefix (they are what the user waits for); debug lines
 * only if `verbose`.
 */
export function createLog(options: { write: (line: string) => void; verbose: boolean }): Log {
  const line = (level: string, text: string): void => {
    options.write(`vddk-nbd: ${level}${printable(text)}\n`);
  };
  return {
    error: (text) => {
      line('error: ', text);
    },
    warning: (text) => {
      line('warning: ', text);
    },
    info: (text) => {
      line('', text);
    },
    debug: (text) => {
      if (options.verbose) line('debug: ', text);
    },
    verbose: options.verbose,
  };
}

/** A log that drops everything. */
export const silentLog: Log = createLog({ write: () => undefined, verbose: false });
