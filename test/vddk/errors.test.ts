// Refusals of the library and of the helper in a user's words.
import t from 'tap';
import { diagnose } from '../../src/vddk/diagnosis.js';
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

t.test('a login by a cookie', (t) => {
  const rejected = {
    call: 'VixDiskLib_Open',
    vixError: 35,
    message: 'Insufficient permissions',
    helperError: undefined,
  };
  const lines = ['Cannot complete login due to an incorrect user name or password.'];
  for (const diagnosis of [diagnose(lines, true), undefined]) {
    const { details, hint, message } = explainRefusal(rejected, {
      byCookie: true,
      diagnosis,
      remote: true,
    });
    t.match(message, /does not take this cookie/);
    t.match(hint, /^Log in anew and pass the new cookie/);
    t.match(details, { diagnosis: 'cookie' });
  }
  t.match(explainRefusal(rejected, { remote: true }).hint, /^Check user= and password=/);
  t.match(diagnose(lines)?.remedy, /^Check user= and password=/);
  t.match(diagnose(['Host is in maintenance mode'], true), { id: 'maintenance-mode' });
  t.end();
});

t.test('the library itself refuses, before it knows of a disk', (t) => {
  const refusal = { vixError: 1, message: 'Unknown error', helperError: undefined };
  const remote = { remote: true };
  const initialised = explainRefusal({ ...refusal, call: 'VixDiskLib_InitEx' }, remote);
  t.match(initialised.hint, /^Check that libdir= .*config=/);
  t.match(explainRefusal({ ...refusal, call: 'VixDiskLib_Open' }, remote).hint, /thumbprint=/);
  const full = { ...refusal, vixError: 2, call: 'VixDiskLib_InitEx' };
  t.match(explainRefusal(full, remote).hint, /^Free memory/);
  const local = { ...refusal, vixError: 6, call: 'VixDiskLib_ConnectEx' };
  t.match(explainRefusal(local).hint, /^Leave out snapshot= or transports=/);
  t.match(explainRefusal({ ...local, call: 'VixDiskLib_Open' }).hint, /^Convert the disk/);
  t.end();
});

t.test('a library that is a link to nowhere, or lacks another', (t) => {
  const load = (message: string) =>
    explainRefusal({ call: '', vixError: 1, message, helperError: 'load' }).hint;
  const missing = 'cannot open shared object file: No such file or directory';
  t.match(load(`/v/lib64/libvixDiskLib.so.8: ${missing}`), /^Unpack VDDK again/);
  t.match(load(`/v/lib64/libvixDiskLib.so.8: libfoo.so.1: ${missing}`), /that has libfoo\.so\.1/);
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
