// What the library's transport modes mean for us. Pure.

/**
 * Transports over which an open for writing takes a lock that others respect: files, and NFC, for
 * which the host locks the disk.
 */
const LOCKING: ReadonlySet<string> = new Set(['file', 'nbd', 'nbdssl']);

/**
 * A sentence for the log if nothing keeps others, a dead session of ours among them, from writing
 * to a disk that is open for writing by `transportMode` (GetTransportMode's word).
 */
export function unfencedWarning(transportMode: string): string | undefined {
  if (transportMode === '' || LOCKING.has(transportMode)) return undefined;
  return (
    `transport ${transportMode} locks nothing: make sure that nobody else writes to the disk, ` +
    'or choose transports=nbdssl'
  );
}
