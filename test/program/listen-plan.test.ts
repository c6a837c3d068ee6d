// Where to listen: nbdkit's rules, and the one of ours that protects.
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { type ListenFlags, planListen } from '../../src/program/listen-plan.js';

const none: ListenFlags = {
  unix: undefined,
  ipaddr: undefined,
  port: undefined,
  insecure: false,
  run: undefined,
};
const loopback = { kind: 'tcp', host: '127.0.0.1', open: false };

t.test('defaults and combinations', (t) => {
  t.same(planListen(none), { ...loopback, port: 10809 });
  t.same(planListen({ ...none, port: 0 }), { ...loopback, port: 0 });
  t.same(planListen({ ...none, run: 'true' }), { kind: 'private' });
  t.same(planListen({ ...none, run: 'true', port: 7 }), { ...loopback, port: 7 });
  t.same(planListen({ ...none, run: 'true', unix: '/s' }), { kind: 'unix', path: '/s' });
  t.same(planListen({ ...none, unix: '-' }), { kind: 'private' });
  t.same(planListen({ ...none, ipaddr: '::1' }), { ...loopback, host: '::1', port: 10809 });
  t.end();
});

t.test('an empty place is none', (t) => {
  t.throws(() => planListen({ ...none, unix: '' }), { message: '--unix is empty' });
  t.throws(() => planListen({ ...none, ipaddr: '' }), { message: '--ipaddr is empty' });
  t.end();
});

t.test('an address that others can reach needs --insecure', (t) => {
  t.throws(() => planListen({ ...none, ipaddr: '0.0.0.0' }), VddkNbdError);
  t.throws(() => planListen({ ...none, ipaddr: 'example.com', run: 'true' }), VddkNbdError);
  t.match(planListen({ ...none, ipaddr: '0.0.0.0', insecure: true }), { open: true });
  t.end();
});

t.test('an empty path, as of a variable that is not set, is refused', (t) => {
  t.throws(() => planListen({ ...none, unix: '' }), { code: 'USAGE', message: /is empty/ });
  t.end();
});
