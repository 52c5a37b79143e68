// Codes SBX9xxx: bugs in sbx.
import type { CodeEntry } from './entry.ts';

export const bugCodes = {
  SBX9001: {
    severity: 'error',
    summary: 'Bug in sbx',
    meaning: 'An invariant of sbx is broken. Please report it with the output of --log-level debug.',
  },
  SBX9002: {
    severity: 'error',
    summary: 'Unexpected failure',
    meaning: 'An effect failed in a way that sbx does not know. Please report it with the output of --log-level debug.',
  },
} as const satisfies Record<string, CodeEntry>;
