// Looking at the disk file before anything is started. Permissions are in the end-to-end tests,
// where the program runs without root's privileges.
import path from 'node:path';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { checkDisk, checkDiskFile } from '../../src/program/check-file.js';

function refusal(file: string): string {
  try {
    checkDiskFile(file, false);
  } catch (error) {
    if (error instanceof VddkNbdError)
      return `${error.code}: ${error.message}. ${error.hint ?? ''}`;
  }
  return 'accepted';
}

t.test('what can be seen before anything is started', (t) => {
  const dir = t.testdir({ 'a.vmdk': 'x', link: t.fixture('symlink', 'a.vmdk') });
  const file = path.join(dir, 'a.vmdk');
  t.equal(refusal(file), 'accepted');
  t.equal(refusal(path.join(dir, 'link')), 'accepted');
  t.equal(refusal(dir), `START: ${dir} is a directory. Name a .vmdk file in it.`);
  t.match(refusal(path.join(dir, 'b.vmdk')), /^START: no such file: .*b\.vmdk\. Check the path/);
  t.match(refusal(path.join(file, 'c')), /^START: no such file/);
  t.match(refusal('/dev/null'), /is not a regular file/);
  t.equal(
    refusal('a.vmdk'),
    `USAGE: the path of the disk must be absolute: a.vmdk. Did you mean ${path.resolve('a.vmdk')}?`,
  );
  t.end();
});

t.test('a disk that is to be created, and one on a server', (t) => {
  const dir = t.testdir({ 'a.vmdk': 'x' });
  const create = { diskType: 1, adapterType: 2, hwVersion: 4, capacitySectors: 8 };
  const local = { create, engine: 'builtin', remote: undefined, readOnly: false } as const;
  const refused = (change: Partial<Parameters<typeof checkDisk>[0]>): string => {
    try {
      checkDisk({ ...local, file: path.join(dir, 'new.vmdk'), ...change });
      return 'accepted';
    } catch (error) {
      return error instanceof VddkNbdError ? `${error.code}: ${error.message}` : 'a bug';
    }
  };
  t.equal(refused({}), 'accepted');
  t.match(refused({ file: path.join(dir, 'a.vmdk') }), /exists already/);
  t.match(refused({ file: path.join(dir, 'no/new.vmdk') }), /START: no such file: .*no$/);
  t.match(refused({ file: 'new.vmdk' }), /must be absolute/);
  t.match(refused({ readOnly: true }), /USAGE: create=true and --readonly/);
  t.match(refused({ create: undefined, file: '/dev/null' }), /not a regular file/);
  t.equal(refused({ create: undefined, file: '/dev/null', engine: 'auto' }), 'accepted');
  const remote = { server: 'x' } as never;
  t.equal(refused({ create: undefined, file: '[ds] a.vmdk', remote }), 'accepted');
  t.end();
});
