// The commands by name, for oclif's `explicit` strategy: scripts/bundle.js makes one file of them.
// The rule: a command imports what it does when it does it, so that --help costs none of it.
import Check from './check.js';
import DumpPlugin from './dump-plugin.js';
import Serve from './serve.js';

export const COMMANDS = { check: Check, 'dump-plugin': DumpPlugin, serve: Serve };
