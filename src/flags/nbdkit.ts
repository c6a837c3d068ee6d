// nbdkit's server options that mean nothing here: those that harm nobody are accepted, the others
// are refused with what to do instead. Part of the command line, used by commands/serve.ts.
// The rule: a script written for nbdkit either does the same here or is told why not.
import { execFileSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { Flags } from '@oclif/core';
import { VddkNbdError } from '../base/errors.js';

const hidden = true;

/** Accepted: what they ask for is so anyway. */
const accepted = {
  foreground: Flags.boolean({ aliases: ['no-fork'], char: 'f', default: false, hidden }),
  keepalive: Flags.boolean({ aliases: ['keep-alive'], default: false, hidden }),
  name: Flags.string({ hidden }),
  newstyle: Flags.boolean({ char: 'n', default: false, hidden, aliases: ['new-style'] }),
  threads: Flags.integer({ char: 't', hidden, min: 0 }),
};

/** Accepted if it is so already, else refused. */
const identity = {
  group: Flags.string({ char: 'g', hidden }),
  user: Flags.string({ char: 'u', hidden }),
};

const refused = {
  filter: Flags.string({ hidden, multiple: true, multipleNonGreedy: true }),
  'mask-handshake': Flags.string({ hidden }),
  'dump-config': Flags.boolean({ hidden }),
  'no-mc': Flags.boolean({ aliases: ['no-meta-contexts'], hidden }),
  'no-sr': Flags.boolean({ aliases: ['no-structured-replies'], hidden }),
  oldstyle: Flags.boolean({ aliases: ['old-style'], char: 'o', hidden }),
  'selinux-label': Flags.string({ hidden }),
  swap: Flags.boolean({ hidden }),
  vsock: Flags.boolean({ hidden }),
};

/** What to do instead: for messages and the manual. */
export const REFUSED_OPTIONS: Record<keyof typeof refused, string> = {
  'dump-config': 'Use `vddk-nbd dump-plugin`.',
  filter: 'Run `nbdkit nbd uri=... --filter=...` between this server and its client.',
  'mask-handshake': 'It is for tests of clients; nbdkit has it.',
  'no-mc': 'All connections share one disk, so several of them are safe.',
  'no-sr': 'It is for tests of clients; nbdkit has it.',
  oldstyle: 'Every client of the last ten years speaks the newstyle protocol.',
  'selinux-label': 'Use chcon, or SELinuxContext= in a systemd unit.',
  swap: 'Use MemorySwapMax=0 in a systemd unit.',
  vsock: 'Node.js has no vsock; socat VSOCK-LISTEN:10809,fork UNIX-CONNECT:PATH carries it.',
};

export const nbdkitFlags = { ...accepted, ...identity, ...refused };

/** The flags as they were given. */
type Given = Partial<Record<keyof typeof nbdkitFlags, unknown>>;

function refuse(flag: string, hint: string): never {
  throw new VddkNbdError('USAGE', `--${flag} is not supported`, { hint });
}

/** The name of the present user, who has none in many containers. */
function ownName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** The name of the present group, from wherever this system has its groups. */
function ownGroupName(): string | undefined {
  try {
    return execFileSync('id', ['-gn'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

/** @throws VddkNbdError USAGE if `given` holds one of nbdkit's options that we can't honour. */
export function refuseNbdkitFlags(given: Given): void {
  for (const [flag, hint] of Object.entries(REFUSED_OPTIONS)) {
    if (given[flag as keyof typeof refused] !== undefined) refuse(flag, hint);
  }
  const user = given.user as string | undefined;
  const group = given.group as string | undefined;
  if (user !== undefined && user !== String(process.getuid?.()) && user !== ownName()) {
    refuse('user', 'Start it as that user: User= in a systemd unit, or setpriv --reuid.');
  }
  if (group !== undefined && group !== String(process.getgid?.()) && group !== ownGroupName()) {
    refuse('group', 'Start it with that group: Group= in a systemd unit, or setpriv --regid.');
  }
}
