// The pattern of export=, against bash's `[[ name == pattern ]]`, which is fnmatch without flags.
import fc from 'fast-check';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { isWildcard, matchesWildcard, parseWildcard } from '../../src/vddk/wildcard.js';
import { must } from '../lib/serve.js';

t.test('what users write', (t) => {
  const pattern = '\\[ds1\\] vm/*.vmdk';
  t.equal(matchesWildcard(pattern, '[ds1] vm/vm.vmdk'), true);
  t.equal(matchesWildcard(pattern, '[ds1] vm/deep/vm_1.vmdk'), true, 'a star matches a slash');
  t.equal(matchesWildcard(pattern, '[ds2] vm/vm.vmdk'), false);
  t.equal(matchesWildcard(pattern, '[ds1] vm/vm.vmdk\n'), false, 'the whole name');
  t.equal(matchesWildcard('*', ''), true);
  t.equal(matchesWildcard('a?c', 'a/c'), true);
  t.equal(matchesWildcard('a.c', 'abc'), false);
  t.equal(matchesWildcard('[!a-c]', 'd'), true);
  t.equal(matchesWildcard('*', 'x\ny/z ☃'), true);
  t.end();
});

t.test('what is refused', (t) => {
  const refusal = (text: string): string => {
    try {
      return parseWildcard(text, 'export');
    } catch (error) {
      return error instanceof VddkNbdError ? `${error.message} ${error.hint ?? ''}` : 'a bug';
    }
  };
  t.match(refusal(''), /empty/);
  t.match(refusal('[abc'), /not a pattern.*Write \\\[/);
  t.match(refusal('abc\\'), /not a pattern/);
  t.match(refusal('[z-a]'), /not a pattern/);
  t.match(refusal('[ds1] vm/*'), /export='\\\[ds1\\\] vm\/\*'/);
  t.equal(refusal('[ab]*'), '[ab]*');
  t.end();
});

t.test('a name that a client has thought up for it takes no time', (t) => {
  // With a star in a regular expression each of these takes minutes.
  const slashes = '/'.repeat(4096);
  const startMs = performance.now();
  t.notOk(matchesWildcard('/*/*/*/*/*.vmdk', slashes));
  t.notOk(matchesWildcard('*a*a*a*a*a*b', 'a'.repeat(4096)));
  t.ok(matchesWildcard('*/*/*/*/*/', slashes));
  t.ok(performance.now() - startMs < 5_000);
  t.equal(matchesWildcard('*☃?𝒳*', 'a☃b𝒳'), true, 'characters, not their halves');
  t.end();
});

t.test('as fnmatch has it', async (t) => {
  const letters = fc.constantFrom('a', 'b', '-', '/', '.', '*', '?', '\\', '[', ']', '!', '^', ' ');
  const pattern = fc.string({ unit: letters, minLength: 1, maxLength: 6 });
  const name = fc.string({
    unit: fc.constantFrom('a', 'b', '-', '/', '.', ']', '*'),
    maxLength: 4,
  });
  const pairs = fc
    .sample(fc.tuple(pattern, name), { numRuns: 2000, seed: 4 })
    // What has no end, or no sense, is refused by us; a class like [[:a] is beyond both.
    .filter(([text]) => isWildcard(text) && !/\[[!^]?\[/.test(text));
  const script =
    'while IFS= read -r p && IFS= read -r n; do [[ $n == $p ]] && echo y || echo n; done';
  const input = pairs.map(([text, candidate]) => `${text}\n${candidate}\n`).join('');
  const answers = (await must('bash', ['-c', script], { stdin: 'pipe', input })).split('\n');
  t.ok(pairs.length > 500 && answers.includes('y') && answers.includes('n'));
  const wrong = pairs.filter(
    ([text, candidate], index) => matchesWildcard(text, candidate) !== (answers[index] === 'y'),
  );
  t.same(wrong, []);
});
