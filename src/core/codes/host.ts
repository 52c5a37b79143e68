// Codes SBX6xxx: processes, namespaces, links, uplink, ports.
import type { CodeEntry } from './entry.ts';

export const hostCodes = {
  SBX6001: {
    severity: 'error',
    summary: 'Command failed',
    meaning: 'A program of the host that sbx needs could not be run, ended with an error, or took too long.',
  },
  SBX6002: {
    severity: 'error',
    summary: 'Process does not end',
    meaning: 'A process stayed although it was killed; it may hang in the kernel. See its state in /proc.',
  },
  SBX6003: {
    severity: 'error',
    summary: 'Holder does not start',
    meaning:
      'The small processes that keep the namespaces of a sandbox and act on its lease could not be started. sbx doctor says what this host lacks.',
  },
  SBX6004: {
    severity: 'error',
    summary: 'Link cannot be made',
    meaning: 'The kernel refused a bridge or a tap in the namespace of a sandbox. The next apply tries again.',
  },
  SBX6005: {
    severity: 'error',
    summary: 'Uplink fails',
    meaning:
      'slirp4netns, which connects networks of mode nat to the outside, does not start or does not answer on its socket.',
  },
  SBX6006: {
    severity: 'error',
    summary: 'Port cannot be published',
    meaning:
      'A port of the host could not be opened: another program listens on it, the address is not one of the host, or it is below 1024 and the user is not root.',
  },
  SBX6007: {
    severity: 'error',
    summary: 'There is no /proc',
    meaning: 'sbx finds and recognises processes through /proc. Without it nothing is planned or changed.',
  },
  SBX6008: {
    severity: 'error',
    summary: 'Processes cannot be seen from here',
    meaning:
      'A process of the sandbox lives in another pid namespace, as with a home that a container shares, or is hidden by the way /proc is mounted. What cannot be seen is not taken for dead: nothing is touched.',
  },
} as const satisfies Record<string, CodeEntry>;
