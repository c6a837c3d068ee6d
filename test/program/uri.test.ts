// NBD URIs: what clients and shells must be able to take apart again.
import fc from 'fast-check';
import t from 'tap';
import { isLoopback, nbdUri } from '../../src/program/uri.js';

t.test('known forms', (t) => {
  t.equal(nbdUri({ host: '127.0.0.1', port: 10809 }, ''), 'nbd://127.0.0.1:10809');
  t.equal(nbdUri({ host: '::1', port: 1 }, 'a/b c'), 'nbd://[::1]:1/a/b%20c');
  t.equal(nbdUri({ unix: '/run/x.sock' }, ''), 'nbd+unix:///?socket=/run/x.sock');
  t.equal(nbdUri({ unix: '/a b' }, 'disk'), 'nbd+unix:///disk?socket=/a%20b');
  t.end();
});

t.test('any path and name come back, and nothing in between needs quoting', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 20 });
  fc.assert(
    fc.property(text, text, (path, name) => {
      const uri = nbdUri({ unix: `/${path}` }, name);
      const match = /^nbd\+unix:\/\/\/([^?]*)\?socket=(.*)$/.exec(uri);
      return (
        /^[A-Za-z0-9:/?=+%._~-]*$/.test(uri) &&
        decodeURIComponent(match?.[1] ?? '') === name &&
        decodeURIComponent(match?.[2] ?? '') === `/${path}`
      );
    }),
  );
  t.end();
});

t.test('loopback', (t) => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) t.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.com', 'host']) {
    t.notOk(isLoopback(host), host);
  }
  t.end();
});
