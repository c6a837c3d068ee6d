// nbdkit's options that mean nothing here: harmless, or refused with what to do instead.
import { userInfo } from 'node:os';
import { execa } from 'execa';
import t from 'tap';
import { nbdkitFlags, refuseNbdkitFlags } from '../../src/flags/nbdkit.js';
import { runServe } from '../lib/serve.js';

t.test('refused, with a remedy', (t) => {
  const remedies = {
    'dump-config': /dump-plugin/,
    filter: /nbdkit nbd/,
    group: /Group=/,
    'mask-handshake': /nbdkit/,
    'no-mc': /safe/,
    'no-sr': /nbdkit/,
    oldstyle: /newstyle/,
    'selinux-label': /SELinuxContext=/,
    swap: /systemd/,
    user: /User=/,
    vsock: /socat/,
  };
  for (const [flag, hint] of Object.entries(remedies)) {
    const message = `--${flag} is not supported`;
    t.throws(
      () => {
        refuseNbdkitFlags({ [flag]: 'x' });
      },
      { code: 'USAGE', message, hint },
      flag,
    );
  }
  const harmless = ['foreground', 'keepalive', 'name', 'newstyle', 'threads'];
  t.same(Object.keys(nbdkitFlags).sort(), [...Object.keys(remedies), ...harmless].sort());
  t.end();
});

t.test('a user who has no name, as in many containers', async (t) => {
  const { refuseNbdkitFlags: refuse } = await t.mockImport<
    typeof import('../../src/flags/nbdkit.js')
  >('../../src/flags/nbdkit.js', {
    'node:os': {
      userInfo: () => {
        throw new Error('uv_os_get_passwd returned ENOENT');
      },
    },
  });
  const uid = String(process.getuid?.());
  t.doesNotThrow(() => {
    refuse({});
    refuse({ user: uid });
  });
  t.throws(
    () => {
      refuse({ user: 'somebody' });
    },
    { code: 'USAGE' },
  );
});

t.test('harmless', async (t) => {
  const { gid, uid, username } = userInfo();
  t.doesNotThrow(() => {
    refuseNbdkitFlags({});
  });
  // Which prints the number of a group that has no name.
  const { stdout: groupName } = await execa('id', ['-gn'], { reject: false });
  for (const group of [String(gid), groupName]) {
    t.doesNotThrow(() => {
      refuseNbdkitFlags({ user: username, group });
    }, group);
  }
  const flags = [
    '-n',
    '-f',
    '--no-fork',
    '-t',
    '4',
    '--keepalive',
    '--name',
    'in',
    '-u',
    String(uid),
    '-g',
    String(gid),
  ];
  t.match((await runServe(['/no/such', ...flags])).stderr, /no such file/);
  t.match(
    (await runServe(['/no/such', '-o'])).stderr,
    /^vddk-nbd: error: --oldstyle is not [^\n]*$/,
  );
});
