// The names of create=: VixDiskLib's types of disks, adapters and hardware versions, in nbdkit's
// spelling, and what VixDiskLib_Create is told. Pure. The numbers are VixDiskLib's.
import { SECTOR_BYTES } from '../base/limits.js';
import { nearest } from './nearest.js';
import { badValue, type Parse, parseChoice, parseUint16 } from './values.js';

/** create-type=. */
export const CREATE_TYPES = {
  'monolithic-sparse': 1,
  'monolithic-flat': 2,
  'split-sparse': 3,
  'split-flat': 4,
  'vmfs-flat': 5,
  'stream-optimized': 6,
  'vmfs-thin': 7,
  'vmfs-sparse': 8,
} as const;

/** create-adapter-type=. */
export const CREATE_ADAPTER_TYPES = {
  ide: 1,
  'scsi-buslogic': 2,
  'scsi-lsilogic': 3,
} as const;

/** create-hwversion=, by name. */
export const CREATE_HW_VERSIONS = {
  workstation4: 3,
  workstation5: 4,
  esx30: 4,
  workstation6: 6,
  esx4x: 7,
  esx50: 8,
  esx51: 9,
  esx55: 10,
  esx60: 11,
  esx65: 13,
} as const;

/** What VixDiskLib_Create gets, in VixDiskLibCreateParams' order. */
export interface CreateDisk {
  diskType: number;
  adapterType: number;
  hwVersion: number;
  capacitySectors: number;
}

export const parseCreateType = parseChoice<number>(CREATE_TYPES);
export const parseAdapterType = parseChoice<number>(CREATE_ADAPTER_TYPES);

/** A name, or the number itself: the library takes any. */
export const parseHwVersion: Parse<number> = (text, key) => {
  if (/^\d/.test(text)) return parseUint16(text, key);
  const names = Object.keys(CREATE_HW_VERSIONS) as [string, ...string[]];
  if (names.includes(text)) return parseChoice<number>(CREATE_HW_VERSIONS)(text, key);
  throw badValue(
    key,
    `there is no '${text}'`,
    `Did you mean ${key}=${nearest(text, names)}? A number from 0 to 65535 is taken, too.`,
  );
};

/** The values of create-*, with nbdkit's defaults. */
export function createDisk(values: {
  sizeBytes: number;
  type: number | undefined;
  adapterType: number | undefined;
  hwVersion: number | undefined;
}): CreateDisk {
  return {
    diskType: values.type ?? CREATE_TYPES['monolithic-sparse'],
    adapterType: values.adapterType ?? CREATE_ADAPTER_TYPES['scsi-buslogic'],
    hwVersion: values.hwVersion ?? CREATE_HW_VERSIONS.workstation5,
    capacitySectors: values.sizeBytes / SECTOR_BYTES,
  };
}
