// Where log lines go.
import { readFileSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { openLog } from '../../src/flags/log-target.js';

t.test('a file is appended to', (t) => {
  const file = path.join(t.testdir({}), 'log');
  openLog(file)('one\n');
  openLog(file)('two\n');
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
  t.equal(statSync(file).mode & 0o137, 0, 'not for others');
  t.end();
});

t.test('what can not be written', (t) => {
  const dir = t.testdir({});
  t.throws(() => openLog(dir), { code: 'START', message: /^the log can't be written/ });
  t.throws(() => openLog('relative'), { code: 'USAGE', message: /no absolute path/ });
  t.throws(() => openLog('syslog'), { code: 'USAGE', hint: /logger/ });
  symlinkSync('/dev/full', path.join(dir, 'full'));
  t.doesNotThrow(() => {
    openLog(path.join(dir, 'full'))('lost\n');
  }, 'a full disk costs lines alone');
  t.doesNotThrow(() => {
    openLog('null')('nowhere\n');
  });
  t.end();
});
