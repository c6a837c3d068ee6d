// Refusals of the library and of the helper in a user's words.
import t from 'tap';
import {
  explainRefusal,
  vixErrorPolicy,
  vixErrorCode,
  vixErrorName,
} from '../../src/vddk/errors.js';

t.test('the code is in the low 16 bits, whatever is above', (t) => {
  t.equal(vixErrorCode(15), 15);
  t.equal(vixErrorCode(0xabcd_0000_0000_000fn), 15);
  t.equal(vixErrorCode(2 ** 40 + 8), 8);
  t.equal(vixErrorName(8), 'VIX_E_DISK_FULL (8)');
  t.equal(vixErrorName(64999), 'VixError (64999)');
  t.end();
});

t.test('a refusal of the library', (t) => {
  const refusal = {
    call: 'VixDiskLib_Open',
    vixError: 15,
    message: 'The file is already in use.',
    helperError: undefined,
  };
  const plain = explainRefusal(refusal);
  t.equal(plain.code, 'VIX');
  t.match(plain.message, /^VixDiskLib_Open failed with VIX_E_FILE_ALREADY_LOCKED \(15\): The file/);
  t.notMatch(plain.message, /\.$/);
  t.match(plain.hint, /-r/);
  t.match(
    explainRefusal(refusal, { libraryLine: 'held by process 7' }).message,
    /in use\.?: held by process 7$/,
  );
  t.match(explainRefusal({ ...refusal, vixError: 64999 }).hint, /-v/);
  t.end();
});

t.test('what the helper itself could not do', (t) => {
  const refusal = { call: '', vixError: 1, message: 'x.so: cannot open', helperError: 'load' };
  t.match(explainRefusal(refusal), { code: 'START', message: /x\.so: cannot open/ });
  t.match(explainRefusal({ ...refusal, helperError: 'symbol' }), { code: 'START' });
  t.match(explainRefusal({ ...refusal, helperError: 'arena' }), {
    code: 'HELPER',
    message: /arena/,
  });
  t.end();
});

t.test('the policy looks at the code alone', (t) => {
  const { isBehindLogin, isRejectedLogin, passes, whileServing } = vixErrorPolicy;
  t.ok(passes(14014));
  t.notOk(passes(14008), 'a wrong name of the server is told at once');
  t.ok(isRejectedLogin(0x500000023n));
  t.notOk(isRejectedLogin(36));
  t.ok(isBehindLogin(0x500000fa0n));
  for (const before of [1, 35, 14009, 18000]) t.notOk(isBehindLogin(before), 'or perhaps');
  t.equal(whileServing(36), 'session');
  t.equal(whileServing(2), 'memory');
  t.equal(whileServing(8), 'final');
  t.equal(whileServing(64999), 'unclear');
  t.end();
});
