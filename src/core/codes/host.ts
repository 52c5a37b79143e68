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
} as const satisfies Record<string, CodeEntry>;
