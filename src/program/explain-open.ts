// Why a disk could not be opened, for its user: the refusal, what the library said about it, and
// what is known of this machine. The rule: exactly one cause and one remedy, the likeliest.
import { existsSync } from 'node:fs';
import { VddkNbdError } from '../base/errors.js';
import { HelperCallError } from '../helper/helper.js';
import { OpenFailure } from '../supervisor/first-open.js';
import { explainRefusal } from '../vddk/errors.js';
import type { DiskParameters } from '../vddk/parameters.js';
import type { LibraryLog } from './library-log.js';

/** VDDK 8 and later look for SAN devices here, and crash where it is missing, as in containers. */
const SCSI_DISKS = '/sys/class/scsi_disk';

export interface OpenContext {
  options: Pick<DiskParameters, 'remote' | 'transports'>;
  libraryLog: LibraryLog;
}

/** What to do about a helper that died while it opened the disk. */
function remedyOfDeath(cause: VddkNbdError, { options }: OpenContext): string {
  const scans = options.remote !== undefined && options.transports === undefined;
  if (scans && !existsSync(SCSI_DISKS)) {
    return (
      `VDDK 8 and later crash while they look for SAN devices where ${SCSI_DISKS} is missing, ` +
      'as in containers: add transports=nbdssl:nbd.'
    );
  }
  return cause.hint ?? 'Run again with -v to see what the library says.';
}

/** The error for a user of a first open that failed. */
export function explainOpenFailure(thrown: unknown, context: OpenContext): unknown {
  if (!(thrown instanceof OpenFailure)) return thrown;
  const { cause, libraryLines } = thrown;
  const diagnosis = context.libraryLog.diagnosis();
  if (cause instanceof HelperCallError) {
    return explainRefusal(cause, {
      libraryLine: context.libraryLog.lastWarning,
      diagnosis,
      remote: context.options.remote !== undefined,
      byCookie: context.options.remote?.cookie !== undefined,
    });
  }
  if (!(cause instanceof VddkNbdError)) return thrown;
  const said = libraryLines.length === 0 ? '' : `: ${libraryLines.join('; ')}`;
  return new VddkNbdError(cause.code, `${cause.message}${said}`, {
    hint: diagnosis?.remedy ?? remedyOfDeath(cause, context),
    cause,
  });
}
