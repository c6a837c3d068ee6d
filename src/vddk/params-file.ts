// The file of --params: key=value lines, for what should not stand on a command line. Pure.
// The rule: what is behind the = is the value, blanks at its end included.
import { VddkNbdError } from '../base/errors.js';
import { splitArgument } from './parameters.js';

/**
 * The arguments in `text`: one a line; empty lines and those that begin with # are left out.
 * @throws VddkNbdError USAGE for a line that is not key=value, or that no argument could hold.
 */
export function parseParamsFile(text: string, file: string): string[] {
  const parameters: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const parameter = line.trimStart().replace(/\r$/, '');
    if (parameter === '' || parameter.startsWith('#')) continue;
    if (splitArgument(parameter) === undefined) {
      // Not the line itself: it may be a password.
      throw new VddkNbdError('USAGE', `line ${index + 1} of ${file} is not key=value`, {
        hint: 'One parameter a line, no blanks around the =; lines that begin with # are comments.',
      });
    }
    if (parameter.includes('\0')) {
      throw new VddkNbdError('USAGE', `there is a zero byte in line ${index + 1} of ${file}`, {
        hint: 'Check that it is the right file.',
      });
    }
    parameters.push(parameter);
  }
  return parameters;
}
