// Pre-shared keys: what psktool writes, and what is none.
import fc from 'fast-check';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { TLS_FILE_BYTES_MAX } from '../../src/base/limits.js';
import {
  parsePreSharedKeys,
  readCertificates,
  readPreSharedKeys,
} from '../../src/server/tls-credentials.js';

const KEY = '0123456789abcdef'.repeat(4);

t.test('users and keys', (t) => {
  const keys = parsePreSharedKeys(`alice:${KEY}\r\n\n#626f62:${KEY}\na:b:${KEY}\n`, 'f');
  t.same([...keys.keys()], ['alice', 'bob', 'a:b']);
  t.equal(keys.get('alice')?.toString('hex'), KEY);
  t.end();
});

t.test('what is no key is refused by its line, and never shown', (t) => {
  const bad = ['secretline', `:${KEY}`, 'alice:', 'alice:00', 'alice:0x12', `#zz:${KEY}`];
  for (const line of [...bad, `alice:${'00'.repeat(65)}`, `alice:${KEY}0`]) {
    const refusal = { code: 'START', message: 'TLS: f, line 2 is no pre-shared key' };
    t.throws(() => parsePreSharedKeys(`bob:${KEY}\n${line}`, 'f'), refusal, line);
  }
  t.throws(() => parsePreSharedKeys('\n', 'f'), { message: 'TLS: there is no key in f' });
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        return parsePreSharedKeys(text, 'f').size > 0;
      } catch (error) {
        return error instanceof VddkNbdError;
      }
    }),
  );
  t.end();
});

t.test('files', (t) => {
  const dir = t.testdir({ keys: `alice:${KEY}\n`, big: 'x'.repeat(TLS_FILE_BYTES_MAX + 1) });
  t.equal(readPreSharedKeys(`${dir}/keys`).size, 1);
  for (const file of [`${dir}/big`, '/dev/zero']) {
    t.throws(() => readPreSharedKeys(file), { code: 'START', message: /too large/ }, file);
  }
  t.throws(() => readCertificates(dir, false), { message: /server-cert\.pem/ });
  t.throws(() => readCertificates(dir, true), { message: /ca-cert\.pem/ });
  t.end();
});
