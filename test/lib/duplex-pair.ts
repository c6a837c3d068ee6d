// Two ends of a connection in memory: what is written to one is read from the other, as copies.
import { Duplex } from 'node:stream';

class End extends Duplex {
  other!: End;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    return;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.other.push(Buffer.from(chunk));
    done();
  }

  override _final(done: () => void): void {
    this.other.push(null);
    done();
  }
}

export function duplexPair(): [Duplex, Duplex] {
  const [one, two] = [new End(), new End()];
  one.other = two;
  two.other = one;
  return [one, two];
}
