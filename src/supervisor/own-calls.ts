// Requests that the supervisor makes for itself or for the disk's extents: control reads, and
// QueryAllocatedBlocks. They are suspects like any other; convicted ones are switched off.
// The rule: nobody's data depends on them, so none of them ever fails a client.
import type { Helper } from '../helper/helper.js';
import { HelperCallError } from '../helper/helper.js';
import { type AllocatedBlocksParams, IO_OPS } from '../helper/protocol.js';
import { SupervisedIo } from './supervised-io.js';

/** VIX_E_FAIL: any failure will do. */
const FAILED = 1;

/** A sector that is read and thrown away, to see whether the library works at all. */
export class ControlRead extends SupervisedIo {
  op = IO_OPS.READ;
  override nrSectors = 1;

  settled(): void {
    return;
  }
}

/** One QueryAllocatedBlocks. */
export class BlocksQuery extends SupervisedIo {
  /** Neither a write nor a flush: it leaves nothing in the journal. */
  op = IO_OPS.READ;
  override readonly isCall = true;
  readonly #params: AllocatedBlocksParams;
  readonly #answer: (blocks: number[] | undefined) => void;
  #blocks: number[] | undefined;
  #helper: Helper | undefined;

  /** `answer` gets offset, length, offset, length, ... in sectors; undefined: it is not known. */
  constructor(params: AllocatedBlocksParams, answer: (blocks: number[] | undefined) => void) {
    super();
    this.#params = params;
    this.#answer = answer;
  }

  override send(helper: Helper): void {
    this.#helper = helper;
    helper.call('ALLOCATED_BLOCKS', this.#params).then(
      ({ blocks }) => {
        if (this.#helper !== helper) return;
        this.#blocks = blocks;
        this.done(0);
      },
      (thrown: unknown) => {
        // If the helper ended, this is in flight, and will be sent to the next one.
        if (this.#helper !== helper || !(thrown instanceof HelperCallError)) return;
        this.done(thrown.vixError || FAILED);
      },
    );
  }

  settled(vixError: number | bigint): void {
    this.#answer(vixError === 0 ? this.#blocks : undefined);
  }
}
