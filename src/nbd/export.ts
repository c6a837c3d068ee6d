// What the NBD wire says about one export. The handshake announces it, validate.ts holds requests
// against it. It knows no Disk: the server makes these from one.

/** One export, as announced to clients. */
export interface NbdExport {
  /** Canonical name, at most 4096 bytes of UTF-8; "" is the default export. */
  readonly name: string;
  /** For people, at most 4096 bytes of UTF-8; "" is none. */
  readonly description: string;
  /** Below 2^53. */
  readonly sizeBytes: number;
  /** NBD_FLAG_HAS_FLAGS and friends (proto.md, "Transmission flags"). */
  readonly transmissionFlags: number;
  /** proto.md, "Size constraints": powers of two, and the longest payload. */
  readonly minimumBlockBytes: number;
  readonly preferredBlockBytes: number;
  readonly payloadBytesMax: number;
}

/** An entry of a list. */
export type ListedExport = Pick<NbdExport, 'name' | 'description'>;

/** What a name leads to: an export, or a sentence for the client that says why not. */
export type Found<Export extends NbdExport> = Export | string;

/** The exports of a server. */
export interface NbdExports<Export extends NbdExport> {
  list(): readonly ListedExport[];
  /**
   * The export a client means by `name`. It may have to be made ready first: then a promise, which
   * never rejects.
   */
  lookup(name: string): Found<Export> | Promise<Found<Export>>;
}
