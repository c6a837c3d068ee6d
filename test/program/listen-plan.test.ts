// Where to listen: nbdkit's rules, and the one of ours that protects.
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { checkReach, type ListenFlags, planListen } from '../../src/program/listen-plan.js';

const none: ListenFlags = {
  unix: undefined,
  ipaddr: [],
  port: undefined,
  family: undefined,
  single: false,
  insecure: false,
  run: undefined,
  inherited: [],
  tlsRequired: false,
};
const loopback = { kind: 'tcp', hosts: ['127.0.0.1'], port: 10809, family: undefined };

t.test('defaults and combinations', (t) => {
  t.same(planListen(none), loopback);
  t.same(planListen({ ...none, port: 0 }), { ...loopback, port: 0 });
  t.same(planListen({ ...none, run: 'true' }), { kind: 'private' });
  t.same(planListen({ ...none, run: 'true', port: 7 }), { ...loopback, port: 7 });
  t.same(planListen({ ...none, run: 'true', unix: '/s' }), { kind: 'unix', path: '/s' });
  t.same(planListen({ ...none, unix: '-' }), { kind: 'private' });
  const both = ['127.0.0.1', '::1'];
  t.same(planListen({ ...none, ipaddr: both }), { ...loopback, hosts: both });
  t.same(planListen({ ...none, family: 6 }), { ...loopback, hosts: ['::1'], family: 6 });
  t.same(planListen({ ...none, single: true }), { kind: 'stdio' });
  t.same(planListen({ ...none, inherited: [3, 4] }), { kind: 'inherited', fds: [3, 4] });
  t.end();
});

t.test('what contradicts itself is refused', (t) => {
  const refused = (flags: Partial<ListenFlags>, message: string): void => {
    t.throws(() => planListen({ ...none, ...flags }), { code: 'USAGE', message });
  };
  refused({ unix: '' }, '--unix is empty');
  refused({ ipaddr: ['::1', ''] }, '--ipaddr is empty');
  refused({ ipaddr: ['::1'], family: 4 }, '::1 is not an IPv4 address');
  refused({ ipaddr: ['127.0.0.1'], family: 6 }, '127.0.0.1 is not an IPv6 address');
  for (const place of [{ unix: '/s' }, { port: 0 }, { ipaddr: ['::1'] }, { run: 'true' }]) {
    t.throws(() => planListen({ ...none, ...place, single: true }), { message: /with -s$/ });
    t.throws(() => planListen({ ...none, ...place, inherited: [3] }), { message: /LISTEN_FDS/ });
  }
  t.throws(() => planListen({ ...none, single: true, inherited: [3] }), { message: /^-s can't/ });
  t.end();
});

t.test('an address that others can reach needs --insecure, or TLS for all', (t) => {
  for (const flags of [{ ipaddr: ['0.0.0.0'] }, { ipaddr: ['::1', 'example.com'], run: 'true' }]) {
    t.throws(() => planListen({ ...none, ...flags }), VddkNbdError);
    t.match(planListen({ ...none, ...flags, insecure: true }), { kind: 'tcp' });
    t.match(planListen({ ...none, ...flags, tlsRequired: true }), { kind: 'tcp' });
  }
  const allowed = { insecure: true, tlsRequired: false };
  t.same(checkReach(['::1', '10.0.0.1'], allowed), ['10.0.0.1'], 'worth a warning');
  t.same(checkReach(['10.0.0.1'], { insecure: true, tlsRequired: true }), []);
  t.end();
});
