// What a library says, on its way to the log: with level and time for -v, telemetry made quiet,
// and the reason of a failure found in it, told once when the disk is served.
import t from 'tap';
import { createLog } from '../../src/base/log.js';
import type { HelperEvent, HelperLogLevel } from '../../src/helper/protocol.js';
import { LibraryLog } from '../../src/program/library-log.js';

function listening(verbose: boolean, byCookie = false) {
  const lines: string[] = [];
  const passed: HelperEvent[] = [];
  const log = createLog({ write: (line) => lines.push(line), verbose });
  const library = new LibraryLog({ name: '/vm/a.vmdk', byCookie, log });
  const listener = library.listener({ event: (it) => passed.push(it) });
  const say = (level: HelperLogLevel, text: string): HelperEvent | undefined => {
    listener.event({ name: 'log', level, text, dropped: 0 });
    return passed.at(-1);
  };
  return { library, lines, say };
}

const THUMBPRINT =
  'VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint=B2:31 expected=12';
const NFC = 'NfcFssrvrProcessErrorMsg: received NFC error 5 from server: Failed to allocate';

t.test('telemetry is no warning', (t) => {
  const { library, say } = listening(false);
  const noise = ['VDDK_PhoneHome: no server', 'Get CEIP status failed for 10.0.0.1'];
  for (const text of noise) t.match(say('warning', text), { level: 'debug', text });
  t.equal(library.lastWarning, undefined);
  t.match(say('warning', 'something else'), { level: 'warning' });
  t.end();
});

t.test('level and time, for -v alone', (t) => {
  const { say } = listening(true);
  const stamp = String.raw`^\d\d:\d\d:\d\d\.\d\d\d`;
  const shown = {
    debug: 'log',
    warning: 'warning',
    error: 'panic',
    helper: 'helper',
    trace: 'call',
  };
  for (const [level, word] of Object.entries(shown)) {
    const text = new RegExp(`${stamp} ${word}: x$`);
    t.match(say(level as HelperLogLevel, 'x'), { level, text });
  }
  t.match(listening(false).say('warning', 'x'), { text: /^x$/ });
  t.end();
});

t.test('the reason of a failure, whatever else is said', (t) => {
  const { library, lines, say } = listening(false);
  say('debug', THUMBPRINT);
  for (let i = 0; i < 100; i++) say('trace', 'VixDiskLib_Open');
  say('warning', 'the last words');
  t.match(library.diagnosis(), {
    id: 'thumbprint',
    cause: /B2:31/,
    remedy: /Compare it.*B2:31\.$/,
  });
  t.equal(library.lastWarning, 'the last words');
  t.same(lines, [], 'nothing is told twice');
  t.end();
});

t.test('a login is explained by how it was made', (t) => {
  const line = 'VixDiskLibVim: Cannot complete login due to an incorrect user name or password.';
  for (const [byCookie, id] of [
    [true, 'cookie'],
    [false, 'login'],
  ] as const) {
    const { library, lines, say } = listening(false, byCookie);
    say('warning', line);
    t.equal(library.diagnosis()?.id, id);
    library.opened();
    say('warning', line);
    t.match(lines[0], byCookie ? /Log in anew/ : /Check user=/);
  }
  t.end();
});

t.test('what it means is told once when the disk is served', (t) => {
  const { library, lines, say } = listening(false);
  library.opened();
  say('warning', NFC);
  say('warning', NFC);
  t.equal(lines.length, 1);
  t.match(lines[0], /\/vm\/a\.vmdk: the host's NFC service has no memory left.*maxMemory/);
  t.end();
});
