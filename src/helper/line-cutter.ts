// Cuts what a helper prints into lines for the log. A line is bounded: a library may print
// gigabytes without a newline. Used by process.ts.

const NEWLINE = 0x0a;

export class LineCutter {
  readonly #line: Buffer;
  readonly #sink: (line: string) => void;
  #bytes = 0;

  /** `sink` gets each line that is not empty, cut to `lineBytesMax`. */
  constructor(lineBytesMax: number, sink: (line: string) => void) {
    this.#line = Buffer.alloc(lineBytesMax);
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, position);
      const end = newline === -1 ? chunk.length : newline;
      this.#bytes += chunk.copy(this.#line, this.#bytes, position, end);
      if (newline !== -1) this.end();
      position = end + 1;
    }
  }

  /** The line is complete, or the stream has ended inside it. */
  end(): void {
    if (this.#bytes === 0) return;
    const line = this.#line.toString('utf8', 0, this.#bytes);
    this.#bytes = 0;
    this.#sink(line);
  }
}
