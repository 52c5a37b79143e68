// Codes SBX2xxx: the meaning of a file: variables, references, addresses.
import type { CodeEntry } from './entry.ts';

export const expandCodes = {
  SBX2104: {
    severity: 'error',
    summary: 'Unknown reference',
    meaning: 'A reference names something that the file does not declare.',
  },
} as const satisfies Record<string, CodeEntry>;
