// The command line as the real parsers take it: argh up to v35, clap since v36.
import { isAtLeast } from './config.mjs';

/** Option → first release that has it, and whether it takes a value. */
const options = new Map(
  Object.entries({
    '--api-socket': [34, true],
    '--event-monitor': [34, true],
    '--log-file': [34, true],
    '--seccomp': [34, true],
    '--landlock': [41, false],
    '--landlock-rules': [41, true],
    '--log-format': [52, true],
    '--no-shutdown': [52, false],
    '-v': [34, false],
    '-vv': [36, false],
    '-vvv': [36, false],
  }),
);

/** `{apiSocket, events}`, or `{error, code}`: argument errors end with 2, others with 1. */
export function parseArguments(argv, version) {
  if (argv.length === 0) return { code: 2, error: 'Usage: cloud-hypervisor [OPTIONS]' };
  const given = new Map();
  for (let at = 0; at < argv.length; at += 1) {
    const [name, inline] = isAtLeast(version, 36) ? argv[at].split(/=(.*)/s) : [argv[at]];
    const option = options.get(name);
    if (option === undefined || !isAtLeast(version, option[0])) {
      return { code: 2, error: `error: unexpected argument '${argv[at]}' found` };
    }
    if (!option[1]) continue;
    const value = inline ?? argv[++at];
    if (value === undefined) return { code: 2, error: `error: a value is required for '${name}'` };
    given.set(name, value);
  }
  return {
    ...(given.has('--api-socket') ? { apiSocket: given.get('--api-socket').replace(/^path=/, '') } : {}),
    ...(given.has('--event-monitor') ? { events: given.get('--event-monitor').replace(/^path=/, '') } : {}),
  };
}
