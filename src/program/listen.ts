// Listens as planned: names become addresses, the private socket gets its directory, inherited ones
// are looked at. Between listen-plan.ts, which decides, and the server.
// The rule: what listen-plan.ts protects stays protected: an inherited socket is checked too.
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { NbdServer, type NbdServerOptions } from '../server/listener.js';
import type { BoundAddress, ListenAddress } from '../server/listening-socket.js';
import type { Leavings } from './leavings.js';
import { checkReach, type ListenFlags, type ListenPlan } from './listen-plan.js';
import type { Endpoint } from './uri.js';

/** The addresses of `host`; itself if it is one. */
async function resolve(host: string, family: 4 | 6 | undefined): Promise<string[]> {
  const { lookup } = await import('node:dns/promises');
  try {
    const found = await lookup(host, { all: true, family: family ?? 0 });
    return [...new Set(found.map(({ address }) => address))];
  } catch (cause) {
    throw new VddkNbdError('START', `can't listen on ${host}: ${messageOf(cause)}`, {
      hint: 'The address must be one of this machine; see -i.',
      cause,
    });
  }
}

async function addressesOf(plan: ListenPlan, leavings: Leavings): Promise<ListenAddress[]> {
  switch (plan.kind) {
    case 'private':
      return [{ kind: 'unix', path: path.join(leavings.directory(), 'socket') }];
    case 'unix':
      return [plan];
    case 'inherited':
      return plan.fds.map((fd) => ({ kind: 'fd', fd }));
    case 'tcp': {
      const hosts = await Promise.all(plan.hosts.map((host) => resolve(host, plan.family)));
      return [...new Set(hosts.flat())].map((host) => ({ kind: 'tcp', host, port: plan.port }));
    }
    case 'stdio':
      return [];
  }
}

/** Where clients find it, from any working directory. */
export function endpointOf(address: BoundAddress): Endpoint {
  return address.kind === 'unix'
    ? { unix: path.resolve(address.path) }
    : { host: address.host, port: address.port };
}

/**
 * Listens as `plan` says, and says what other machines can reach. What it makes is registered in
 * `leavings`.
 * @throws VddkNbdError if it can't, or if an inherited socket is open to others and may not be.
 */
export async function listenAsPlanned(
  plan: ListenPlan,
  flags: Pick<ListenFlags, 'insecure' | 'tlsRequired'> & { log: Log },
  options: Omit<NbdServerOptions, 'addresses'>,
  leavings: Leavings,
): Promise<NbdServer> {
  const addresses = await addressesOf(plan, leavings);
  const server = await NbdServer.listen({ ...options, addresses });
  const unix = addresses.find((address) => address.kind === 'unix');
  leavings.add(() => {
    void server.close(0);
  }, unix?.path);
  const hosts = server.addresses.flatMap((each) => (each.kind === 'tcp' ? [each.host] : []));
  const open = checkReach(hosts, flags);
  if (open.length > 0) {
    const where = open.join(', ');
    flags.log.warning(`anyone who can reach ${where} has what is served; nothing is encrypted`);
  }
  return server;
}
