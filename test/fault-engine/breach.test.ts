// Every rule of the library that the engine checks: the program that breaks it is aborted, with
// one line that says which. And the one that breaks none gets through.
import t from 'tap';
import { breakRule, newImage } from './engine.js';

/** Case, what is said, and the rules that it needs. */
const CASES: readonly (readonly [name: string, said: string, rules?: string])[] = [
  ['init-twice', 'a second InitEx'],
  ['init-bare', 'InitEx without callbacks'],
  ['connect-first', 'a call before InitEx'],
  ['open-elsewhere', 'Open on another thread than InitEx'],
  ['close-elsewhere', 'Close on another thread than InitEx'],
  ['query-elsewhere', 'QueryAllocatedBlocks on another thread than InitEx'],
  ['sync-async', 'sync and async calls on one handle'],
  ['async-sync', 'sync and async calls on one handle'],
  ['two-at-once', 'two calls at once on a handle', 'delay=2s at=Flush'],
  ['no-sectors', 'a request of no sectors'],
  ['out-of-range', 'a request outside the disk'],
  ['far-out-of-range', 'a request outside the disk'],
  ['no-buffer', 'a request without a buffer'],
  ['no-callback', 'WriteAsync without a callback'],
  ['small-chunk', 'QueryAllocatedBlocks with chunks of less than 128 sectors'],
  ['part-of-chunk', 'QueryAllocatedBlocks of other than whole chunks'],
  ['unaligned-chunk', 'QueryAllocatedBlocks of other than whole chunks'],
  ['too-many-chunks', 'QueryAllocatedBlocks of more than 524288 chunks'],
  ['read-changed', 'the buffer of a read changed before its callback', 'check; delay=100ms'],
  ['write-changed', 'the buffer of a write changed before its callback', 'check; delay=100ms'],
  ['close-pending', 'Close with I/O pending', 'complete=never'],
  ['closed-handle', 'a handle that is not open'],
  ['no-handle', 'a handle that is not open'],
  ['disconnect-open', 'Disconnect with an open disk'],
  ['no-connection', 'a connection that there is not'],
  ['forked', 'the background thread is gone: a fork after InitEx'],
];

t.test('who breaks no rule survives, also with buffers watched', async (t) => {
  for (const rules of ['', 'check', 'check; complete=late', 'any-thread']) {
    t.same(breakRule(newImage(t), 'nothing', rules), {
      signal: null,
      stdout: 'survived\n',
      stderr: '',
    });
  }
});

for (const [name, said, rules] of CASES) {
  t.test(name, async (t) => {
    t.same(breakRule(newImage(t), name, rules), {
      signal: 'SIGABRT',
      stdout: '',
      stderr: `fault-engine: breach: ${said}\n`,
    });
  });
}

t.test('with any-thread, threads are the caller’s business', async (t) => {
  t.equal(breakRule(newImage(t), 'other-threads').signal, 'SIGABRT');
  t.equal(breakRule(newImage(t), 'other-threads', 'any-thread').stdout, 'survived\n');
});

t.test('without `check` nobody looks at buffers', async (t) => {
  for (const name of ['read-changed', 'write-changed'])
    t.equal(breakRule(newImage(t), name, 'delay=100ms').stdout, 'survived\n');
});
