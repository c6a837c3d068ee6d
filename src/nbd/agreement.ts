// What the handshake leads to: all that the transmission phase must know of it.
import type { NbdExport } from './export.js';

/**
 * How messages of the transmission phase look: compact requests and simple replies; the same, with
 * structured replies where they are needed (NBD_OPT_STRUCTURED_REPLY); all with 64-bit lengths
 * (NBD_OPT_EXTENDED_HEADERS).
 */
export type HeaderStyle = 'simple' | 'structured' | 'extended';

/** What client and server have agreed upon. */
export interface Agreement<Export extends NbdExport> {
  readonly target: Export;
  readonly style: HeaderStyle;
  /** The flags that were announced: those of the target, and those that come with the style. */
  readonly transmissionFlags: number;
  /** Whether `base:allocation` was selected; its id is NBD_ALLOCATION_CONTEXT_ID then. */
  readonly allocation: boolean;
}
