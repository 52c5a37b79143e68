// Codes SBX4xxx: state, journal, lock and home.
import type { CodeEntry } from './entry.ts';

export const stateCodes = {
  SBX4001: {
    severity: 'error',
    summary: 'Sandbox is locked',
    meaning: 'Another sbx is working on this sandbox. Wait for it or use --lock-timeout.',
  },
} as const satisfies Record<string, CodeEntry>;
