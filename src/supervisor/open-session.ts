// Brings one fresh helper to an open disk: HELLO, CONNECT, OPEN, INFO, each with a deadline.
// The supervisor calls it for the first helper and for every later one.
import type { Clock } from '../base/clock.js';
import { HELLO_TIMEOUT_MS, OPEN_TIMEOUT_MS } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import type {
  Calls,
  CallOp,
  ConnectParams,
  HelloParams,
  HelloResult,
  InfoResult,
  OpenParams,
} from '../helper/protocol.js';
import { startDeadline } from './deadline.js';

/** What every helper of one disk is told. */
export interface SessionParams {
  hello: HelloParams;
  connect: ConnectParams;
  open: OpenParams;
}

/** What an open disk turned out to be. */
export interface SessionFacts {
  hello: HelloResult;
  info: InfoResult;
  transportMode: string;
}

/** A call with a deadline; a helper that is late is killed, which rejects the call. */
async function callWithin<Op extends CallOp>(
  helper: Helper,
  clock: Clock,
  timeoutMs: number,
  op: Op,
  params: Calls[Op]['params'],
): Promise<Calls[Op]['result']> {
  const timer = startDeadline(clock, timeoutMs, () => {
    helper.kill(`gave no answer to ${op} within ${String(timeoutMs / 1000)} s`);
  });
  try {
    return await helper.call(op, params);
  } finally {
    timer.cancel();
  }
}

/**
 * Opens the disk in `helper`.
 * Rejects with HelperCallError if the library or helper refuses, VddkNbdError if it ends first.
 */
export async function openSession(
  helper: Helper,
  params: SessionParams,
  clock: Clock,
): Promise<SessionFacts> {
  const hello = await callWithin(helper, clock, HELLO_TIMEOUT_MS, 'HELLO', params.hello);
  await callWithin(helper, clock, OPEN_TIMEOUT_MS, 'CONNECT', params.connect);
  const open = await callWithin(helper, clock, OPEN_TIMEOUT_MS, 'OPEN', params.open);
  const info = await callWithin(helper, clock, OPEN_TIMEOUT_MS, 'INFO', {});
  return { hello, info, transportMode: open.transportMode };
}
