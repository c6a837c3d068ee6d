// BENCH_REALTIME=1: servers and clients have the processors before all else, for a machine that is
// not idle. Clients go before servers, which then don't have to let them in.

export const IN_REAL_TIME = process.env['BENCH_REALTIME'] === '1';

/** `command` with real-time priority, if that is wanted. */
function withPriority(
  priority: number,
  command: readonly [string, ...string[]],
): [string, ...string[]] {
  return IN_REAL_TIME ? ['chrt', '-r', String(priority), ...command] : [...command];
}

export function serverCommand(command: readonly [string, ...string[]]): [string, ...string[]] {
  return withPriority(1, command);
}

export function clientCommand(command: readonly [string, ...string[]]): [string, ...string[]] {
  return withPriority(2, command);
}
