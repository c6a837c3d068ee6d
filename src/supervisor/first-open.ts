// The first open of a disk. Unlike all later ones it fails fast: what a user must mend is told at
// once. Only what may pass by itself is tried again, for a short time: a crash of the library, a
// host that is just restarting.
// The rule: when it rejects, no helper of it is left.
import type { Clock } from '../base/clock.js';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { START_ATTEMPTS_MAX, START_RETRY_MS } from '../base/limits.js';
import { type Helper, HelperCallError, type HelperEnd } from '../helper/helper.js';
import type { ErrorPolicy } from './error-policy.js';
import type { LibraryVoice } from './library-voice.js';
import type { Logins } from './logins.js';
import { isRefusal, type SessionFacts } from './open-session.js';
import { RestartPolicy } from './restart-policy.js';

/** Status of a helper that found our frames wrong: the next one would, too. */
const EXIT_VIOLATION = 71;

/** The first open failed. `cause` is the refusal; `libraryLines` what the library said about it. */
export class OpenFailure extends Error {
  readonly libraryLines: readonly string[];

  constructor(cause: unknown, libraryLines: readonly string[]) {
    super(messageOf(cause), { cause });
    this.name = 'OpenFailure';
    this.libraryLines = libraryLines;
  }
}

/** One helper that is being brought to the open disk. */
export interface OpenAttempt {
  helper: Helper;
  facts: Promise<SessionFacts>;
}

export interface FirstOpenOptions {
  clock: Clock;
  errors: ErrorPolicy;
  logins: Logins;
  /** Told once, if there is a second attempt, why and for how long there may be others. */
  note: (text: string) => void;
  /** Numbers in [0, 1), for the jitter. */
  random: () => number;
  voice: LibraryVoice;
}

/** Resolves with what the disk is; `attempt` starts one helper. Rejects with OpenFailure. */
export async function firstOpen(
  attempt: () => OpenAttempt,
  { clock, errors, logins, note, random, voice }: FirstOpenOptions,
): Promise<SessionFacts> {
  if (logins.delayMs(clock.nowMs()) !== 0) throw new OpenFailure(rejectedLately(), []);
  const policy = new RestartPolicy(random, START_RETRY_MS);
  let crashes = 0;
  for (let attempts = 1; ; attempts++) {
    const { helper, facts } = attempt();
    logins.begins(clock.nowMs());
    try {
      const opened = await facts;
      logins.accepted();
      return opened;
    } catch (thrown) {
      helper.kill('its disk could not be opened');
      const isCrash = hasCrashed(await helper.ended, thrown);
      if (isCrash) crashes++;
      if (isRejected(thrown, errors)) logins.rejected(clock.nowMs());
      const isPassing = isCrash ? crashes < START_ATTEMPTS_MAX : passes(thrown, errors);
      const delayMs = isPassing ? policy.failed(clock.nowMs()) : undefined;
      if (delayMs === undefined) throw new OpenFailure(thrown, voice.release());
      voice.release();
      voice.collect();
      if (attempts === 1) note(reasonToRetry(thrown));
      await new Promise<void>((resolve) => {
        clock.after(delayMs, resolve);
      });
    }
  }
}

/** For whoever waits at the terminal. */
function reasonToRetry(thrown: unknown): string {
  if (!isRefusal(thrown)) {
    return `${messageOf(thrown)}; it is started again, ${START_ATTEMPTS_MAX - 1} times at most`;
  }
  const { call, message, vixError } = thrown;
  return (
    `${call} failed with VixError ${vixError} (${message}), which may pass: it is tried again ` +
    `for ${START_RETRY_MS / 1000} s`
  );
}

/** Whether the helper ended on its own. SIGKILL is ours: a deadline, or a broken protocol. */
function hasCrashed({ exitCode = 0, signal }: HelperEnd, thrown: unknown): boolean {
  if (thrown instanceof HelperCallError) return false;
  if (signal !== undefined) return signal !== 'SIGKILL';
  return exitCode > 0 && exitCode !== EXIT_VIOLATION;
}

/** For a client of a second disk, whose login would fail as that of the first one did. */
function rejectedLately(): VddkNbdError {
  return new VddkNbdError('START', 'the host has just rejected the login of another disk', {
    hint: 'It is asked again ten seconds later at the earliest, or the account would be locked.',
  });
}

/** Whether the host refused who we are. */
export function isRejected(thrown: unknown, errors: ErrorPolicy): boolean {
  return thrown instanceof HelperCallError && errors.isRejectedLogin(thrown.vixError);
}

function passes(thrown: unknown, errors: ErrorPolicy): boolean {
  return isRefusal(thrown) && errors.passes(thrown.vixError);
}
