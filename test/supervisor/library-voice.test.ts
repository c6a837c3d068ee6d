// What a library says goes to the log, or, at the first open, aside.
import t from 'tap';
import { createLog } from '../../src/base/log.js';
import { LibraryVoice } from '../../src/supervisor/library-voice.js';

function setUp() {
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), verbose: true });
  const voice = new LibraryVoice('disk', log);
  const say = (text: string, level: 'warning' | 'debug' = 'warning', dropped = 0): void => {
    voice.event({ name: 'log', level, text, dropped });
  };
  return { voice, say, lines };
}

t.test('into the log', (t) => {
  const { voice, say, lines } = setUp();
  say('beware');
  say('detail', 'debug', 3);
  voice.event({ name: 'panic', text: 'oh' });
  t.match(lines, [
    /warning: beware/,
    /debug: 3 messages of the library were lost/,
    /debug: detail/,
    /error: disk: the library panicked: oh/,
  ]);
  t.end();
});

t.test('aside while it is collected, but no debug lines, and not without end', (t) => {
  const { voice, say, lines } = setUp();
  voice.collect();
  say('detail', 'debug');
  for (let i = 0; i < 100; i++) say(`warning ${i}`);
  t.equal(lines.length, 1);
  const kept = voice.release();
  t.equal(kept[0], 'warning 0');
  t.ok(kept.length < 100);
  t.same(voice.release(), [], 'handed out once');
  say('later');
  t.match(lines[1], /later/);
  t.end();
});
