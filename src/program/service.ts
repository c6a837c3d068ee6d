// Being the service of a service manager, or the child of a program: says when we are ready and
// when we stop (sd_notify(3)), and ends with our parent. Used by serve.ts.
// The rule: a manager that does not listen is no reason to stop serving.
import { addonPath, loadAddon } from '../base/addon.js';
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';

/** What helper/addon/process.c exports. Both throw an Error with the system's words. */
interface Addon {
  notify(path: string, state: string): void;
  dieWithParent(): void;
}

/** Microseconds of CLOCK_MONOTONIC, which is what process.hrtime() reads. */
function monotonicUsec(): bigint {
  return process.hrtime.bigint() / 1000n;
}

/** Who supervises us: a service manager that set NOTIFY_SOCKET, or nobody. */
export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #log: Log;

  /** Takes NOTIFY_SOCKET out of `environment`: what we start is not the service. */
  constructor(environment: NodeJS.ProcessEnv, log: Log) {
    this.#socket = environment['NOTIFY_SOCKET'];
    this.#log = log;
    Reflect.deleteProperty(environment, 'NOTIFY_SOCKET');
  }

  /** Clients can connect. `status` is for people. */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status.slice(0, 200)}`);
  }

  /** New certificates are being read; ready() follows. */
  reloading(): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${monotonicUsec()}`);
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  #tell(state: string): void {
    if (this.#socket === undefined || this.#socket === '') return;
    try {
      (loadAddon(addonPath('process')) as Addon).notify(this.#socket, state);
    } catch (error) {
      this.#log.warning(`the service manager can't be told: ${messageOf(error)}`);
    }
  }
}

/**
 * Has SIGTERM sent to us when our parent ends; if it has ended already, at once. `parent` is its
 * process id from before.
 */
export function exitWithParent(parent: number): void {
  (loadAddon(addonPath('process')) as Addon).dieWithParent();
  if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
}
