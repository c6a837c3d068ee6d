// Inherited sockets: the variables of sd_listen_fds(3), and that nobody else sees them.
import fc from 'fast-check';
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

t.test('whatever the variables are, sockets from 3 on or an error, and they are gone', (t) => {
  const text = fc.oneof(fc.nat(100).map(String), fc.string(), fc.constantFrom('7', undefined));
  fc.assert(
    fc.property(text, text, (listenPid, listenFds) => {
      const environment = { LISTEN_PID: listenPid, LISTEN_FDS: listenFds };
      const isOurs = listenPid === '7' && listenFds !== undefined;
      const count = /^[0-9]+$/.test(listenFds ?? '') ? Number(listenFds) : 0;
      const take = (): number[] => takeInheritedSockets(environment, 7);
      if (isOurs && (count < 1 || count > 64)) {
        t.throws(take, { code: 'USAGE' });
      } else {
        t.same(take(), isOurs ? Array.from({ length: count }, (_, n) => 3 + n) : []);
      }
      t.same(environment, {});
    }),
    {
      numRuns: 500,
      examples: [
        ['7', '1'],
        ['7', '64'],
        ['7', '65'],
        ['7', '0'],
        ['7', '٣'],
      ],
    },
  );
  t.end();
});
