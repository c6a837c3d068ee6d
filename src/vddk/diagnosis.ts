// What lines of the library mean: VDDK says the reason of a failure in its log, and returns a
// number that says little. Pure; open-disk.ts and library-log.ts ask it, docs/errors.md lists it.
// The rule: a pattern matches what VDDK really prints, and its remedy says what to do.

/** A failure in words. `id` names it for programs. */
export interface Diagnosis {
  id: string;
  cause: string;
  remedy: string;
}

/** What VDDK prints, with an example, and what it means. */
export interface Symptom {
  id: string;
  pattern: RegExp;
  example: string;
  cause: (match: RegExpExecArray) => string;
  remedy: (match: RegExpExecArray) => string;
}

export const VERIFY_THUMBPRINT =
  'Compare it with the one on the console of the server, or with the output of ' +
  '"openssl x509 -in /etc/vmware/ssl/rui.crt -fingerprint -sha1 -noout" in its shell; ' +
  'if it is the same, pass thumbprint=';

/** Where NFC's memory is set; docs and messages name it. */
export const NFC_MEMORY_REMEDY =
  'Copy fewer disks of the host at the same time, or raise maxMemory of nfcsvc in ' +
  '/etc/vmware/hostd/config.xml there and restart hostd; see docs/errors.md.';

/** What weighs most comes first: a plugin that is missing is often none of the reasons. */
export const SYMPTOMS: readonly Symptom[] = [
  {
    id: 'thumbprint',
    pattern: /Failed to verify SSL certificate:? .*actual thumbprint=([0-9A-Fa-f:]+)/,
    example:
      'VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint=B2:31:... expected=12',
    cause: (match) => `the server's certificate has the thumbprint ${match[1] ?? ''}`,
    remedy: (match) => `${VERIFY_THUMBPRINT}${match[1] ?? ''}.`,
  },
  {
    id: 'nfc-memory',
    pattern: /received NFC error 5\b|Failed to allocate the requested \d+ bytes/,
    example:
      'NfcFssrvrProcessErrorMsg: received NFC error 5 from server: Failed to allocate the ' +
      'requested 2097176 bytes',
    cause: () => "the host's NFC service has no memory left (NFC error 5)",
    remedy: () => NFC_MEMORY_REMEDY,
  },
  {
    id: 'port-902',
    pattern: /NFC ERROR\](?!.*address lookup).*(?:Failed to connect|authd)|NBD_ERR_NETWORK_CONNECT/,
    example: '[NFC ERROR]NfcNewAuthdConnectionEx: Failed to connect to peer. Error: ...',
    cause: () => 'the ESXi host can not be reached on port 902 (NFC)',
    remedy: () =>
      'Let this machine connect to TCP port 902 of the ESXi host that has the disk, not only to ' +
      '443 of vCenter; nfchostport= names another port.',
  },
  {
    id: 'host-lookup',
    pattern: /address lookup for server '?([^' ]+)'? failed|getaddrinfo.*failed/i,
    example: "Host address lookup for server 'esxi.example.com' failed: Name or service not known",
    cause: (match) => `the name of the host ${match[1] ?? ''} can not be resolved`,
    remedy: () =>
      'vCenter names ESXi hosts by the names it knows: put them into DNS or /etc/hosts here.',
  },
  {
    id: 'lock-directory',
    pattern: /FileLockCreateEntryDirectory creation failure/,
    example: "FILE: FileLockCreateEntryDirectory creation failure on '/vm/disk.vmdk.lck': ...",
    cause: () => 'no lock can be made in the directory of the disk',
    remedy: () => 'Make that directory writable for this user, or serve the disk read-only (-r).',
  },
  {
    id: 'independent-disk',
    pattern: /Cannot create disk spec for disk|independent[- ](?:persistent|nonpersistent|disk)/i,
    example: 'GetFileName: Cannot create disk spec for disk scsi0:0.',
    cause: () =>
      'the disk is in independent mode, which VDDK 7 and later do not open, or not of this machine',
    remedy: () =>
      'Switch the disk to dependent mode while the machine is off, and check vm= and the path.',
  },
  {
    id: 'maintenance-mode',
    pattern: /maintenance mode|InMaintenanceMode/i,
    example: 'The operation is not allowed: the host is in maintenance mode',
    cause: () => 'the ESXi host is in maintenance mode and serves no disks',
    remedy: () => 'Let it leave maintenance mode, or move the machine to another host.',
  },
  {
    id: 'login',
    pattern: /InvalidLogin|incorrect user ?name or password|Cannot complete login/i,
    example: 'Cannot complete login due to an incorrect user name or password.',
    cause: () => 'the server does not take this user name and password',
    remedy: () =>
      'Check user= and password=; vCenter wants the domain too, like ' +
      'administrator@vsphere.local.',
  },
  {
    id: 'no-permission',
    pattern: /NoPermission|permission to perform this operation was denied/i,
    example: 'Permission to perform this operation was denied (vim.fault.NoPermission)',
    cause: () => 'this user lacks a privilege',
    remedy: () =>
      'Give the user the privileges Provisioning/Allow disk access and Allow read-only disk ' +
      'access, and those for snapshots, on the machine.',
  },
  {
    id: 'openssl-3',
    pattern: /lib(?:ssl|crypto)\.so\.3: cannot open shared object file/,
    example: 'libssl.so.3: cannot open shared object file: No such file or directory',
    cause: () => 'VDDK 8.0.2 and later take OpenSSL 3, which is not here',
    remedy: () => 'Install OpenSSL 3, or use VDDK 8.0.1 on systems that have none, like RHEL 8.',
  },
  {
    id: 'missing-library',
    pattern: /(?<!\S)(lib[^ :/]+\.so[^ :]*): cannot open shared object file/,
    example: 'libsqlite3.so.0: cannot open shared object file: No such file or directory',
    cause: (match) => `the library needs ${match[1] ?? ''}, which is not here`,
    remedy: (match) => `Install the package that has ${match[1] ?? ''}.`,
  },
  {
    id: 'dangling-link',
    pattern: /libvixDiskLib\.so\.\d+: cannot open shared object file: No such file/,
    example:
      '/opt/vddk/lib64/libvixDiskLib.so.8: cannot open shared object file: No such file or ' +
      'directory',
    cause: () => 'the library is a link to a file that is not there',
    remedy: () => 'Unpack VDDK again, all of it, or name another directory with libdir=.',
  },
  {
    id: 'old-system',
    pattern: /version [`']?((?:GLIBC|GLIBCXX|CXXABI)[^ `']*)'? not found/,
    example: "version `GLIBC_2.34' not found",
    cause: (match) => `the library needs ${match[1] ?? ''}, which is newer than this system`,
    remedy: () => 'Use an older VDDK, or a newer system.',
  },
  {
    id: 'other-architecture',
    pattern: /wrong ELF class|invalid ELF header/,
    example: 'wrong ELF class: ELFCLASS32',
    cause: () => 'the library is for another kind of machine, or damaged',
    remedy: () => 'Use the 64-bit VDDK for Linux.',
  },
];

/** What a rejected login means if it was by a cookie: the library says the same of both. */
export const COOKIE_REJECTED: Diagnosis = {
  id: 'cookie',
  cause: 'the server does not take this cookie: its session has ended, or is of another server',
  remedy: 'Log in anew and pass the new cookie, or give user= and password= instead of cookie=.',
};

/**
 * What `lines` tell, if one of them is known: by the order of the table, not of the lines.
 * `byCookie`: how the session is logged in.
 */
export function diagnose(lines: readonly string[], byCookie = false): Diagnosis | undefined {
  for (const { id, pattern, cause, remedy } of SYMPTOMS) {
    for (const line of lines) {
      const match = pattern.exec(line);
      if (match === null) continue;
      if (id === 'login' && byCookie) return COOKIE_REJECTED;
      return { id, cause: cause(match), remedy: remedy(match) };
    }
  }
  return undefined;
}

/** VDDK's telemetry fails without harm, and says so as if it were an error. */
const NOISE = [/Get CEIP status failed/, /VDDK_PhoneHome:/];

/** Whether a warning of the library is of no interest. */
export function isNoise(line: string): boolean {
  return NOISE.some((pattern) => pattern.test(line));
}
