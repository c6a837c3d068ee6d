// What looks like a secret is hidden from the log, before anybody knows what the words mean.
import t from 'tap';
import { SUSPECTS_MAX } from '../../src/base/limits.js';
import { printable } from '../../src/base/log.js';
import { hideSuspects, suspectOf } from '../../src/base/suspects.js';

let count = 0;
/** Another secret each time: what is hidden stays hidden. */
const next = (): string => `horse${count++} battery`;

t.test('a secret with its name', (t) => {
  for (const before of [
    ...['password=', 'server=vc password=', '443cookie=', "'password=", '"cookie":"', '--passwd='],
    ...[
      '—password=',
      'password\\=',
      'password,',
      'pwd=',
      'PASS=',
      'password＝',
      'user=me\rcookie=',
    ],
  ]) {
    const secret = next();
    t.equal(suspectOf(before + secret), secret, before);
    hideSuspects([before + secret]);
    t.notMatch(printable(`it says: ${before}${secret}`), /horse|battery/, before);
  }
  t.end();
});

t.test('a secret behind its name', (t) => {
  for (const name of ['password=', 'password', 'Cookie:', '--passwd', '-cookie']) {
    for (const sign of ['', '-', '--']) {
      const secret = next();
      hideSuspects([name, sign + secret]);
      t.notMatch(printable(`it says: ${sign}${secret}.`), /horse|battery/, name + sign);
    }
  }
  const value = next();
  hideSuspects(['password=', `-p${value}`]);
  t.match(
    printable(`not a port: ${value}.`),
    /^not a port: \*\*\*\.$/,
    'without the letter of the flag',
  );
  t.end();
});

t.test('in lower case', (t) => {
  hideSuspects(['transports=nbd:password:HORSE-radish']);
  t.equal(printable('no mode horse-radish, HORSE-radish'), 'no mode ***, ***');
  t.end();
});

t.test('no more than some', (t) => {
  hideSuspects(Array.from({ length: SUSPECTS_MAX + 1 }, (_, index) => `password=zebra${index}x`));
  t.equal(
    printable(`zebra${SUSPECTS_MAX - 1}x zebra${SUSPECTS_MAX}x`),
    `*** zebra${SUSPECTS_MAX}x`,
  );
  t.end();
});

t.test('what is none', (t) => {
  const words = [
    ...[
      'password=',
      'file=/vm/compass.vmdk',
      'password=+/etc/horse',
      'cookie=-33333',
      'password=-',
    ],
    ...['password=', '/vm/disk.vmdk', 'password=', '[store] a.vmdk', '/vm/password/cookie.vmdk'],
    ...['compass=/vm/a.vmdk', 'bypass=/vm/b.vmdk', '/vm/pass:1.sock', '/etc/passwd:ro'],
    ...['/vm/compass=1/c.vmdk', '/vm/cookie=1/d.vmdk', '[compass:1] e.vmdk', 'password=/vm/f.vmdk'],
    ...['-e', 'cookie', '--unix', '/vm/socket', '--exportname', 'password', '--port', '10809'],
  ];
  hideSuspects(words);
  for (const word of [...words, 'unix', 'port']) {
    t.equal(suspectOf(word), undefined, word);
    t.equal(printable(word), word);
  }
  t.end();
});
