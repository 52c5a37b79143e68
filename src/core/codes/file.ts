// Codes SBX1xxx: reading a file, its syntax and its schema.
import type { CodeEntry } from './entry.ts';

export const fileCodes = {
  SBX1001: {
    severity: 'error',
    summary: 'Cannot read file',
    meaning: 'The file is missing, not a regular file, too large, or not readable by this user.',
  },
} as const satisfies Record<string, CodeEntry>;
