// What must not stay behind, and what must: a pidfile that somebody else wrote since.
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { Leavings, writePidfile } from '../../src/program/leavings.js';

t.test('removed in reverse order, once, even if one fails', (t) => {
  const order: number[] = [];
  const leavings = new Leavings();
  leavings.add(() => order.push(1));
  leavings.add(() => {
    throw new Error('already gone');
  });
  leavings.add(() => order.push(3));
  leavings.removeAll();
  leavings.removeAll();
  t.same(order, [3, 1]);
  t.end();
});

t.test('the private directory is one, and only ours', (t) => {
  const announced: string[] = [];
  const leavings = new Leavings({ announce: (file) => announced.push(file) });
  const directory = leavings.directory();
  t.equal(leavings.directory(), directory);
  t.same(announced, [directory]);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  writeFileSync(path.join(directory, 'socket'), '');
  leavings.removeAll();
  t.notOk(existsSync(directory));
  t.end();
});

t.test('a pidfile', (t) => {
  const dir = t.testdir({});
  const file = path.join(dir, 'pid');
  const first = new Leavings();
  writePidfile(file, first);
  t.equal(readFileSync(file, 'utf8'), `${process.pid}\n`);
  first.removeAll();
  t.notOk(existsSync(file));
  const second = new Leavings();
  writePidfile(file, second);
  writeFileSync(file, '1\n');
  second.removeAll();
  t.equal(readFileSync(file, 'utf8'), '1\n', 'of another process: left alone');
  t.throws(() => {
    writePidfile(path.join(dir, 'missing', 'pid'), second);
  }, VddkNbdError);
  t.end();
});

t.test('a pidfile takes the place of nothing but a file', (t) => {
  const dir = t.testdir({ folder: {} });
  symlinkSync('/dev/null', path.join(dir, 'link'));
  const leavings = new Leavings();
  for (const name of ['link', 'folder']) {
    const refusal = { code: 'START', message: /is not a regular file/ };
    t.throws(() => {
      writePidfile(path.join(dir, name), leavings);
    }, refusal);
  }
  leavings.removeAll();
  t.ok(lstatSync(path.join(dir, 'link')).isSymbolicLink());
  t.same(readdirSync(dir).sort(), ['folder', 'link'], 'no draft stays behind');
  t.throws(
    () => {
      writePidfile('/proc/1/pid', leavings);
    },
    { code: 'START', message: /^the pidfile can't be written/ },
    'also where not even a draft can be made',
  );
  t.end();
});
