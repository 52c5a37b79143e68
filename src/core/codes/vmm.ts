// Codes SBX5xxx: talking to a VMM.
import type { CodeEntry } from './entry.ts';

export const vmmCodes = {
  SBX5001: {
    severity: 'error',
    summary: 'VMM did not start',
    meaning: 'The VMM process ended or its socket did not appear. The log of the VM says why.',
  },
} as const satisfies Record<string, CodeEntry>;
