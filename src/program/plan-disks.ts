// Which disks to serve by which names, from the flags: decided before anything is started.
// The rule: what can't be right is said now, not to the first client.
import { VddkNbdError } from '../base/errors.js';
import { EXPORTS_MAX, NBD_STRING_BYTES_MAX } from '../base/limits.js';
import { checkDisk } from './check-file.js';
import type { DiskSpec } from './served-disk.js';

/** The flags that name disks. */
export interface DiskFlags extends Omit<Parameters<typeof checkDisk>[0], 'file'> {
  /** The default export, open from the start; undefined if there are only others. */
  file: string | undefined;
  /** The values of --export. */
  exports: readonly string[];
  /** The name in the URI; by default that of the first export. */
  exportName: string | undefined;
  /** Files that clients may ask for by name: the value of export=. */
  exportPattern: string | undefined;
}

/**
 * The disks that `--export NAME=FILE` names, one argument each.
 * @throws VddkNbdError USAGE for one of another form, a name that is given twice, or too many.
 */
export function parseExports(texts: readonly string[]): DiskSpec[] {
  const names = new Set<string>();
  if (texts.length > EXPORTS_MAX) {
    throw new VddkNbdError('USAGE', `--export is given ${texts.length} times`, {
      hint: `${EXPORTS_MAX} disks are the most for one server; start another one.`,
    });
  }
  return texts.map((text) => {
    const [, name, file] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (name === undefined || file === undefined) {
      throw new VddkNbdError('USAGE', `'${text}' names no export`, {
        hint: "Write NAME=FILE, like root=/vm/disk.vmdk; nbdkit's --export is -e here.",
      });
    }
    if (Buffer.byteLength(name) > NBD_STRING_BYTES_MAX) {
      throw new VddkNbdError('USAGE', 'the name of an export is too long', {
        hint: `NBD allows ${NBD_STRING_BYTES_MAX} bytes.`,
      });
    }
    if (names.has(name)) {
      throw new VddkNbdError('USAGE', `two exports have the name '${name}'`, {
        hint: 'Give each a name of its own.',
      });
    }
    names.add(name);
    return { name, file };
  });
}

/**
 * The disks, by their names: the file= one first.
 * @throws VddkNbdError if a name or a path can't be right; a disk that waits for its first client
 * shall not wait for that to say so.
 */
export function planDisks(flags: DiskFlags): DiskSpec[] {
  const { file, exports } = flags;
  const others = parseExports(exports);
  if (file === undefined && others.length === 0 && flags.exportPattern === undefined) {
    throw new VddkNbdError('USAGE', 'there is no disk to serve', {
      hint: "Name it: file='[datastore] vm/vm.vmdk'.",
    });
  }
  if (file === undefined && flags.create) {
    throw new VddkNbdError('USAGE', 'create=true creates the disk of file=, which is not given', {
      hint: 'Name the new disk with file=; those of --export must be there already.',
    });
  }
  for (const other of others) checkDisk({ ...flags, file: other.file, create: undefined });
  return file === undefined ? others : [{ name: '', file }, ...others];
}

/** @throws VddkNbdError USAGE if no client could ask for `exportName` */
export function nameInUri({ exportName, exports }: DiskFlags, specs: readonly DiskSpec[]): string {
  const name = exportName ?? specs[0]?.name ?? '';
  if (exports.length > 0 && name !== '' && !specs.some((spec) => spec.name === name)) {
    throw new VddkNbdError('USAGE', `no --export has the name '${name}'`, {
      hint: 'Let -e name one of them, or leave it out.',
    });
  }
  return name;
}
