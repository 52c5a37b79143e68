// Codes SBX0xxx: how sbx was called.
import type { CodeEntry } from './entry.ts';

export const usageCodes = {
  SBX0001: {
    severity: 'error',
    summary: 'Wrong usage',
    meaning: 'The command line has an unknown command, option or value. See sbx help.',
  },
} as const satisfies Record<string, CodeEntry>;
