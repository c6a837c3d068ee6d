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

/** The exports of a server. */
export interface NbdExports<Export extends NbdExport> {
  list(): readonly Export[];
  /** The export a client means by `name`, or undefined if it can't have it. */
  lookup(name: string): Export | undefined;
}
