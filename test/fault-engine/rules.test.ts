// The rule language: what is understood, what is refused and in which words, and the control file.
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { breakRule, directory, newImage, openHelper, sleep } from './engine.js';

/** What the engine says of a rule; '' if it takes it. */
function complaint(t: Test, image: string, rules: string): string {
  const { signal, stdout, stderr } = breakRule(image, 'init-twice', rules);
  t.equal(signal, 'SIGABRT');
  t.equal(stdout, '');
  return stderr === 'fault-engine: breach: a second InitEx\n' ? '' : stderr;
}

t.test('rules that are understood', async (t) => {
  const image = newImage(t);
  for (const rule of [
    '',
    ' ; \n # only a comment',
    'crash=segv at=ReadAsync nth=150 # why',
    'crash=abort p=0.01 seed=7',
    'crash=exit',
    'crash=exit:0 every=3 times=2',
    'crash=panic after=3 once',
    'crash=segv sector=1234 scribble',
    'crash=segv sector=8+16 at=ReadCallback,WriteCallback',
    'hang at=any id=second disk=none',
    'hang at=Open disk=/some/disk',
    'error=16007 at=WriteAsync times=3',
    'error=36 until=reopen',
    'error=281474976710692 until=reconnect',
    'session-lost after=5; session-lost=14009',
    'delay=500us; delay=2ms at=Wait\tp=1;delay=1s at=Open nth=1',
    'bandwidth=200M',
    'complete=inline; complete=late; complete=shuffle; complete=twice nth=1; complete=never nth=2',
    'nomem requests=8 bytes=4M; nomem bytes=1K by=callback; nomem requests=1 by=submit',
    'volatile\nvolatile=16M disk=x',
    'late-write=10ms hold\r\nlate-write=1s',
    'flush=fail-then-ok; flush=fail-then-ok p=0.5 seed=18446744073709551615',
    'check disk=x; nolock; any-thread',
  ])
    t.equal(complaint(t, image, rule), '', rule);
});

t.test('rules that are refused, and why', async (t) => {
  const image = newImage(t);
  for (const [rule, why] of [
    ['crush=segv', 'crush: there is no such action'],
    ['Crash=segv', 'Crash: there is no such action'],
    ['=segv', ': there is no such action'],
    ['at=Open crash=segv', 'at: there is no such action'],
    ['crash', 'crash: it needs a value'],
    ['crash=sigsegv', 'crash: it has a wrong value'],
    ['crash=exit:256', 'crash: it has a wrong value'],
    ['crash=segv:1', 'crash: it has a wrong value'],
    ['crash=', 'crash: it has a wrong value'],
    ['hang=1', 'hang: it has a wrong value'],
    ['error=0', 'error: it has a wrong value'],
    ['error=-1', 'error: it has a wrong value'],
    ['error=0x10', 'error: it has a wrong value'],
    ['error=18446744073709551616', 'error: it has a wrong value'],
    ['delay=5', 'delay: it has a wrong value'],
    ['delay=ms', 'delay: it has a wrong value'],
    ['delay=18446744073709551615s', 'delay: it has a wrong value'],
    ['bandwidth=0', 'bandwidth: it has a wrong value'],
    ['bandwidth=5T', 'bandwidth: it has a wrong value'],
    ['complete=soon', 'complete: it has a wrong value'],
    ['complete=late at=ReadCallback', 'at: complete acts at ReadAsync and WriteAsync only'],
    ['hang at=Exit', 'at: it has a wrong value'],
    ['hang at=', 'at: it has a wrong value'],
    ['hang at=Open,', 'at: it has a wrong value'],
    ['hang at', 'at: it has a wrong value'],
    ['hang at=Open at=Open', 'at: it is given twice'],
    ['hang nth=0', 'nth: it has a wrong value'],
    ['hang nth=1.5', 'nth: it has a wrong value'],
    ['hang once=1', 'once: it has a wrong value'],
    ['hang p=0', 'p: it has a wrong value'],
    ['hang p=1.1', 'p: it has a wrong value'],
    ['hang p=nan', 'p: it has a wrong value'],
    ['hang seed=1', 'seed: seed= needs p='],
    ['hang sector=', 'sector: it has a wrong value'],
    ['hang sector=1+0', 'sector: it has a wrong value'],
    ['hang sector=18446744073709551615+2', 'sector: it has a wrong value'],
    ['hang at=Flush sector=1', 'sector: sector= needs places that have sectors'],
    ['hang until=reopen', 'until: it does not go with this action'],
    ['error=1 until=tomorrow', 'until: it has a wrong value'],
    ['error=1 scribble', 'scribble: it does not go with this action'],
    ['error=1 whenever', 'whenever: there is no such condition'],
    ['nomem', 'nomem: nomem needs requests= or bytes='],
    ['nomem requests=1 by=post', 'by: it has a wrong value'],
    ['volatile nth=1', 'nth: it does not go with this action'],
    ['late-write', 'late-write: it needs a value'],
    ['flush=fail', 'flush: it has a wrong value'],
    ['any-thread disk=x', 'disk: it does not go with this action'],
  ] as const)
    t.equal(complaint(t, image, `check; ${rule}`), `fault-engine: rule "${rule}": ${why}\n`, rule);
  t.equal(complaint(t, image, 'check;'.repeat(65)), 'fault-engine: more than 64 rules\n');
  t.equal(
    complaint(t, image, `check id=${'x'.repeat(256)}`),
    'fault-engine: a rule of more than 255 bytes\n',
  );
});

t.test('whatever the text, it is taken or refused in one line', async (t) => {
  const image = newImage(t);
  const word = fc.constantFrom(
    ...'crash hang error delay nomem volatile at nth p seed sector until = , + ; # :'.split(' '),
    ...'segv Open ReadAsync 0 1 18446744073709551615 1e308 reopen 5ms 4M é ""'.split(' '),
    ' ',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const said = complaint(t, image, words.join(''));
      return said === '' || /^fault-engine: [^\n]+\n$/.test(said);
    }),
    { numRuns: 150 },
  );
});

t.test('the control file', async (t) => {
  const dir = directory(t);
  const FAULT_FILE = path.join(dir, 'faults');
  const write = async (text: string): Promise<void> => {
    writeFileSync(`${FAULT_FILE}.new`, text);
    renameSync(`${FAULT_FILE}.new`, FAULT_FILE);
    await sleep(30);
  };
  const helper = await openHelper(t, newImage(t), 'error=5 sector=9', { FAULT_FILE });
  const read = async (): Promise<number> => Number((await helper.io(['READ', 1, 1, 0]))[0]);
  t.equal(await read(), 0, 'no file');
  await write('error=16007 sector=1');
  t.equal(await read(), 16_007, 'a file');
  await write('error=16001 sector=1 at=ReadAsync');
  t.equal(await read(), 16_001, 'another');
  await write('# nothing\n\n');
  t.equal(await read(), 0, 'no rules');
  t.same(await helper.io(['READ', 9, 1, 0]), [5], 'those of FAULT stay');
  await write('error=8 sector=1 # one\nerror=7 sector=2 # two\n');
  t.same(await helper.io(['READ', 2, 1, 0]), [7], 'several lines');
  await write('error=nothing');
  t.equal(await read(), 8, 'a wrong file changes nothing');
  const { level, text } = await helper.logged(/error=nothing/);
  t.equal(level, 'warning');
  t.match(text, /faults: rule "error=nothing": error: it has a wrong value/);
  await write('error=6 sector=1');
  appendFileSync(FAULT_FILE, '\nerror=6 sector=2');
  await sleep(30);
  t.same(await helper.io(['READ', 2, 1, 0]), [6], 'written in place');
});
