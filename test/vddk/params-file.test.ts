// Property: whatever parameters stand in a file, among comments and empty lines, come out as they
// are; and the error about a line that is none does not show the line.
import fc from 'fast-check';
import t from 'tap';
import { parseParamsFile } from '../../src/vddk/params-file.js';

const key = fc.stringMatching(/^[a-z][a-z-]{0,12}$/);
const value = fc.string({ unit: 'binary' }).filter((text) => !/[\r\n\0]/.test(text));
const parameter = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
const noise = fc.constantFrom('', '   ', '# a comment', '  #user=x');
const ending = fc.constantFrom('\n', '\r\n');

t.test('parameters come out as they are', (t) => {
  const line = fc.tuple(fc.oneof(parameter, noise), fc.constantFrom('', ' ', '\t'), ending);
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = lines.map(([body, indent, end]) => indent + body + end).join('');
      const bodies = lines.map(([body]) => body);
      const wanted = bodies.filter((body) => /^[a-z]/.test(body));
      t.same(parseParamsFile(text, 'file'), wanted);
    }),
  );
  t.end();
});

t.test('a zero byte, which no argument can have', (t) => {
  t.throws(() => parseParamsFile('user=me\npassword=ab\0cd', 'file'), {
    code: 'USAGE',
    message: 'there is a zero byte in line 2 of file',
  });
  t.end();
});

t.test('a line that is no parameter is told by its number alone', (t) => {
  const secret = fc.stringMatching(/^[A-Z]{8,20}$/);
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 5 }), secret, (before, bad) => {
      const text = [...before, bad].join('\n');
      try {
        parseParamsFile(text, 'file');
        t.fail('it was taken');
      } catch (error) {
        t.match(error, { code: 'USAGE', message: `line ${before.length + 1} of file is not` });
        t.notMatch(JSON.stringify(error) + String(error), bad);
      }
    }),
  );
  t.end();
});
