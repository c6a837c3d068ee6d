// Inherited sockets: the variables of sd_listen_fds(3), and that nobody else sees them.
import t from 'tap';
import { takeInheritedSockets } from '../../src/program/activation.js';

t.test('sockets for us', (t) => {
  const environment = { LISTEN_PID: '77', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b', HOME: '/' };
  t.same(takeInheritedSockets(environment, 77), [3, 4]);
  t.same(environment, { HOME: '/' }, 'no child shall believe them its own');
  t.same(takeInheritedSockets(environment, 77), []);
  t.end();
});

t.test('sockets for another process, or none', (t) => {
  for (const other of [{ LISTEN_PID: '78', LISTEN_FDS: '1' }, { LISTEN_FDS: '1' }, {}]) {
    t.same(takeInheritedSockets(other, 77), []);
  }
  t.end();
});

t.test('a number that can not be right', (t) => {
  for (const LISTEN_FDS of ['', '0', '-1', '1e3', '3.5', '65', 'x']) {
    const environment = { LISTEN_PID: '77', LISTEN_FDS };
    t.throws(() => takeInheritedSockets(environment, 77), { code: 'USAGE' }, LISTEN_FDS);
  }
  t.end();
});
