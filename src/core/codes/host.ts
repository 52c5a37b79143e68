// Codes SBX6xxx: processes, namespaces, links, uplink, ports.
import type { CodeEntry } from './entry.ts';

export const hostCodes = {
  SBX6001: { severity: 'error', summary: 'Command failed', meaning: 'A program of the host that sbx needs ended with an error.' },
} as const satisfies Record<string, CodeEntry>;
