// The server's record of one request, from its header to its reply, and the pool they come from.
// A connection uses its records again and again, so that a request allocates nothing.
import { DiskRequest } from '../disk/disk.js';
import { NBD_SUCCESS } from '../nbd/constants.js';
import type { RequestHeader } from '../nbd/request.js';

export class RequestRecord extends DiskRequest {
  cookieHigh = 0;
  cookieLow = 0;
  offsetHigh = 0;
  offsetLow = 0;
  /** The error value to answer; the disk has not seen this request if `refused`. */
  errorValue = NBD_SUCCESS;
  refused = false;
}

/** The records of one connection. */
export class RecordPool {
  readonly #free: RequestRecord[] = [];
  #inUse = 0;

  /** Records taken and not given back: requests that are not answered yet. */
  get inUse(): number {
    return this.#inUse;
  }

  /** A record that is as new but for what `header` says. */
  take(header: RequestHeader): RequestRecord {
    const record = this.#free.pop() ?? new RequestRecord();
    this.#inUse++;
    record.cookieHigh = header.cookieHigh;
    record.cookieLow = header.cookieLow;
    record.offsetHigh = header.offsetHigh;
    record.offsetLow = header.offsetLow;
    record.errorValue = NBD_SUCCESS;
    record.refused = false;
    record.offsetBytes = header.offsetBytes;
    record.lengthBytes = header.lengthBytes;
    record.fua = false;
    record.pieces.length = 0;
    record.takesHoles = false;
    record.extentsMax = 1;
    record.extents.length = 0;
    record.error = undefined;
    record.errorText = '';
    record.errorOffsetBytes = -1;
    record.job = undefined;
    return record;
  }

  /** Nobody refers to `record` any more. */
  giveBack(record: RequestRecord): void {
    this.#inUse--;
    this.#free.push(record);
  }
}
