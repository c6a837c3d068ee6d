// The flags of `serve` that say where to listen and to whom. Part of the command line, so that only
// commands/ uses it. The rule: letters and names are nbdkit's.
import { Flags } from '@oclif/core';
import { CONNECTIONS_MAX, HANDSHAKE_TIMEOUT_MS } from '../base/limits.js';

const helpGroup = 'LISTEN';

/** oclif's types know letters alone; its parser takes digits too. */
function withDigit<Flag extends object>(flag: Flag, char: '4' | '6'): Flag {
  return Object.assign(flag, { char });
}

export const listenFlags = {
  insecure: Flags.boolean({
    default: false,
    helpGroup,
    summary: 'allow listening where other machines can connect, without encryption',
  }),
  ipaddr: Flags.string({
    aliases: ['ip-addr'],
    char: 'i',
    exclusive: ['unix'],
    helpGroup,
    helpValue: 'ADDR',
    multiple: true,
    multipleNonGreedy: true,
    summary: 'address or name to listen on; may be repeated [default: 127.0.0.1]',
  }),
  ipv4: withDigit(
    Flags.boolean({
      aliases: ['ipv4-only'],
      default: false,
      exclusive: ['ipv6'],
      helpGroup,
      summary: 'of a name, only its IPv4 addresses',
    }),
    '4',
  ),
  ipv6: withDigit(
    Flags.boolean({
      aliases: ['ipv6-only'],
      default: false,
      helpGroup,
      summary: 'of a name, only its IPv6 addresses; without -i, ::1',
    }),
    '6',
  ),
  'max-connections': Flags.integer({
    default: CONNECTIONS_MAX,
    helpGroup,
    helpValue: 'N',
    summary: 'clients at the same time',
  }),
  port: Flags.integer({
    char: 'p',
    exclusive: ['unix'],
    helpGroup,
    helpValue: 'N',
    max: 65535,
    min: 0,
    summary: 'TCP port to listen on; 0 picks a free one [default: 10809]',
  }),
  single: Flags.boolean({
    aliases: ['stdin'],
    char: 's',
    default: false,
    helpGroup,
    summary: 'serve one client on stdin and stdout, then stop',
  }),
  timeout: Flags.string({
    aliases: ['time-out'],
    helpGroup,
    helpValue: 'TIME',
    summary: `how long a handshake may take [default: ${HANDSHAKE_TIMEOUT_MS / 1000}s]`,
  }),
  unix: Flags.string({
    char: 'U',
    helpGroup,
    helpValue: 'PATH',
    summary: 'unix socket to listen on; - makes a private one',
  }),
};
