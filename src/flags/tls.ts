// The flags of `serve` for TLS. Part of the command line, so that only commands/ uses it.
// The rule: names and values are nbdkit's.
import { Flags } from '@oclif/core';

const helpGroup = 'TLS';

export const tlsFlags = {
  tls: Flags.string({
    helpGroup,
    options: ['off', 'on', 'require'],
    summary: 'off; on: clients may use TLS; require: they must [default: on with credentials]',
  }),
  'tls-certificates': Flags.string({
    helpGroup,
    helpValue: 'DIR',
    summary: 'directory with server-cert.pem, server-key.pem, ca-cert.pem, ca-crl.pem',
  }),
  'tls-psk': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'pre-shared keys instead, as psktool makes them',
  }),
  'tls-verify-peer': Flags.boolean({
    default: false,
    helpGroup,
    summary: 'refuse clients without a certificate of the CA',
  }),
};
