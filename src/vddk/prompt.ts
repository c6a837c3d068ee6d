// Asks for a secret at the terminal that started us, whatever stdin and stderr are.
// The rule: nothing that is typed is shown, and the terminal is put back in every way out.
import { openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { ReadStream } from 'node:tty';
import { VddkNbdError } from '../base/errors.js';

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const CTRL_Z = 0x1a;
const CTRL_BACKSLASH = 0x1c;
const DELETE = 0x7f;

/** Keys that send a signal wherever else one types. */
const SIGNALS: ReadonlyMap<number, NodeJS.Signals> = new Map([
  [CTRL_C, 'SIGINT'],
  [CTRL_BACKSLASH, 'SIGQUIT'],
  [CTRL_Z, 'SIGTSTP'],
]);

/** Signals that end us, whoever sends them. */
const DEADLY = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const;

/** A signal has reached all our threads by then; after a stop this time is over when we go on. */
const STOP_MS = 100;

/** The line that is typed, byte by byte. */
class SecretLine {
  #bytes: number[] = [];

  /** Returns what `byte` asks for, if it is more than a character. */
  type(byte: number): 'end' | NodeJS.Signals | undefined {
    switch (byte) {
      case NEWLINE:
      case RETURN:
      case CTRL_D:
        return 'end';
      case BACKSPACE:
      case DELETE:
        // A character of UTF-8 ends with any number of bytes of the form 10xxxxxx.
        while (((this.#bytes.at(-1) ?? 0) & 0xc0) === 0x80) this.#bytes.pop();
        this.#bytes.pop();
        return undefined;
      case CTRL_U:
        this.#bytes = [];
        return undefined;
      default:
        if (SIGNALS.has(byte)) this.#bytes = [];
        else this.#bytes.push(byte);
        return SIGNALS.get(byte);
    }
  }

  get bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

interface Terminal {
  fd: number;
  stream: ReadStream;
}

function openTerminal(key: string): Terminal {
  try {
    const fd = openSync('/dev/tty', 'r+');
    return { fd, stream: new ReadStream(fd) };
  } catch (error) {
    throw new VddkNbdError('START', `there is no terminal to ask for the ${key} at`, {
      hint: `Use ${key}=+FILE or ${key}=-FD.`,
      cause: error,
    });
  }
}

function ask({ fd, stream }: Terminal, key: string): void {
  stream.setRawMode(true);
  writeSync(fd, `${key}: `);
}

function restore({ fd, stream }: Terminal): void {
  if (!stream.isRaw) return;
  try {
    stream.setRawMode(false);
    writeSync(fd, '\n');
  } catch {
    // The terminal is gone.
  }
}

/**
 * Asks for the secret of `key`, and resolves with what is typed up to the end of the line. The keys
 * for signals send them to all that was started with us, and make void what was typed before, as
 * they do elsewhere; after a stop it asks anew.
 * @throws VddkNbdError START without a terminal.
 */
export async function promptSecret(key: string): Promise<Buffer> {
  const terminal = openTerminal(key);
  const { stream } = terminal;
  const line = new SecretLine();
  const end = (name: NodeJS.Signals): void => {
    restore(terminal);
    process.kill(process.pid, name);
    // The first process of a container lives on.
    setTimeout(() => process.exit(128 + constants.signals[name]), STOP_MS);
  };
  let again: NodeJS.Timeout | undefined;
  for (const name of DEADLY) process.once(name, end);
  try {
    ask(terminal, key);
    await new Promise<void>((resolve) => {
      // A terminal ends only when it is gone; what was typed so far is no secret then.
      const gone = (): void => {
        end('SIGHUP');
      };
      stream.once('error', gone);
      stream.once('end', gone);
      stream.on('data', (chunk: Buffer) => {
        for (const byte of chunk) {
          const wish = line.type(byte);
          if (wish === undefined) continue;
          if (wish !== 'end') {
            restore(terminal);
            process.kill(0, wish);
            if (wish === 'SIGTSTP') again = setTimeout(ask, STOP_MS, terminal, key);
            return;
          }
          stream.pause();
          resolve();
          return;
        }
      });
    });
    return line.bytes;
  } finally {
    clearTimeout(again);
    restore(terminal);
    for (const name of DEADLY) process.off(name, end);
    stream.destroy();
  }
}
