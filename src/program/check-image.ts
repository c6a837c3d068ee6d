// Looks through a local VMDK: the built-in engine's checker (helper/builtin/check) does it and says
// what it finds; this finds the checker. The rule: the image is never written.
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { VddkNbdError } from '../base/errors.js';

const CHECKER = path.resolve(import.meta.dirname, '../../build/helper/vddk-nbd-check');

export interface CheckOptions {
  file: string;
  json: boolean;
  singleLink: boolean;
  config: string | undefined;
}

/** Checks an image; returns the exit code, which is as of qemu-img check. */
export async function checkImage(options: CheckOptions): Promise<number> {
  try {
    accessSync(CHECKER, constants.X_OK);
  } catch {
    throw new VddkNbdError('SYSTEM', `the checker is not at ${CHECKER}`, {
      hint: 'Build it with make.',
    });
  }
  const { runProgram } = await import('./run-command.js');
  const args = [
    ...(options.json ? ['--json'] : []),
    ...(options.singleLink ? ['--single-link'] : []),
    ...(options.config === undefined ? [] : ['--config', options.config]),
  ];
  return runProgram(CHECKER, [...args, '--', options.file]);
}
