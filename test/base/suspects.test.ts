// What looks like a secret is hidden from the log, before anybody knows what the words mean.
import t from 'tap';
import { printable } from '../../src/base/log.js';
import { hasSuspect, hideSuspects } from '../../src/base/suspects.js';

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
      'pwd: ',
      'PASS=',
      'password＝',
      'user=me\rcookie=',
    ],
  ]) {
    const secret = next();
    t.equal(hasSuspect(before + secret), true, before);
    hideSuspects([before + secret]);
    t.notMatch(printable(`it says: ${before}${secret}`), /horse|battery/, before);
  }
  t.end();
});

t.test('a secret behind its name', (t) => {
  for (const name of ['password=', 'password', 'Cookie:', '--password', '-cookie']) {
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
  ];
  hideSuspects(words);
  for (const word of words) {
    t.equal(hasSuspect(word), false, word);
    t.equal(printable(word), word);
  }
  t.end();
});
