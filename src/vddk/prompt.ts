// Asks for a secret at the terminal that started us, whatever stdin and stderr are.
// The rule: nothing that is typed is shown, and the terminal is put back in every way out.
import { openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { VddkNbdError } from '../base/errors.js';

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const DELETE = 0x7f;

/** The line that is typed, byte by byte. */
export class SecretLine {
  #bytes: number[] = [];

  /** What `byte` ends, if it ends anything. */
  type(byte: number): 'end' | 'interrupt' | undefined {
    switch (byte) {
      case NEWLINE:
      case RETURN:
      case CTRL_D:
        return 'end';
      case CTRL_C:
        return 'interrupt';
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
        this.#bytes.push(byte);
        return undefined;
    }
  }

  get bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

function openTerminal(): { fd: number; stream: ReadStream } {
  try {
    const fd = openSync('/dev/tty', 'r+');
    return { fd, stream: new ReadStream(fd) };
  } catch (error) {
    throw new VddkNbdError('START', 'there is no terminal to ask for the password at', {
      hint: 'Use password=+FILE or password=-FD.',
      cause: error,
    });
  }
}

/**
 * Shows `question`, and resolves with what is typed up to the end of the line.
 * Ctrl-C ends the program as it does elsewhere.
 * @throws VddkNbdError START without a terminal.
 */
export async function promptSecret(question: string): Promise<Buffer> {
  const { fd, stream } = openTerminal();
  const line = new SecretLine();
  stream.setRawMode(true);
  try {
    writeSync(fd, question);
    const ended = await new Promise<'end' | 'interrupt'>((resolve, reject) => {
      stream.once('error', reject);
      stream.once('end', () => {
        resolve('end');
      });
      stream.on('data', (chunk: Buffer) => {
        for (const byte of chunk) {
          const end = line.type(byte);
          if (end === undefined) continue;
          stream.pause();
          resolve(end);
          return;
        }
      });
    });
    stream.setRawMode(false);
    writeSync(fd, '\n');
    if (ended === 'interrupt') process.kill(process.pid, 'SIGINT');
    return line.bytes;
  } finally {
    stream.setRawMode(false);
    stream.destroy();
  }
}
