// The server's record of one request, from its header to its reply, and the pool they come from.
// Records are used again and again, so that a request allocates nothing.
// The rule: there are no more of them than the limits say, however many clients there are.
import {
  CONNECTION_REQUESTS_MAX,
  CONNECTION_REQUESTS_MIN,
  SERVER_REQUESTS_MAX,
} from '../base/limits.js';
import { empty } from '../base/lists.js';
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

/** The records of a server: those of all its connections, and those that wait to be used again. */
export class RecordStore {
  readonly free: RequestRecord[] = [];
  inUse = 0;
}

/** The records of one connection. */
export class RecordPool {
  readonly #store: RecordStore;
  #inUse = 0;

  constructor(store: RecordStore) {
    this.#store = store;
  }

  /** Records taken and not given back: requests that are not answered yet. */
  get inUse(): number {
    return this.#inUse;
  }

  /**
   * Whether this connection may have no more for the moment. Whoever is stopped has some, and asks
   * again when one of its own is given back.
   */
  get isFull(): boolean {
    if (this.#store.inUse < SERVER_REQUESTS_MAX) return this.#inUse >= CONNECTION_REQUESTS_MAX;
    return this.#inUse >= CONNECTION_REQUESTS_MIN;
  }

  /** A record that is as new but for what `header` says. */
  take(header: RequestHeader): RequestRecord {
    const record = this.#store.free.pop() ?? new RequestRecord();
    this.#inUse++;
    this.#store.inUse++;
    record.cookieHigh = header.cookieHigh;
    record.cookieLow = header.cookieLow;
    record.offsetHigh = header.offsetHigh;
    record.offsetLow = header.offsetLow;
    record.errorValue = NBD_SUCCESS;
    record.refused = false;
    record.offsetBytes = header.offsetBytes;
    record.lengthBytes = header.lengthBytes;
    record.fua = false;
    empty(record.pieces);
    record.takesHoles = false;
    record.extentsMax = 1;
    record.error = undefined;
    record.errorText = '';
    record.errorOffsetBytes = -1;
    record.job = undefined;
    return record;
  }

  /** Nobody refers to `record` any more. */
  giveBack(record: RequestRecord): void {
    this.#inUse--;
    this.#store.inUse--;
    // What an answer to block status has said may be long.
    empty(record.extents);
    this.#store.free.push(record);
  }
}
