// Codes SBX3xxx: planning: what this host or driver cannot do, refusals, stale plans.
import type { CodeEntry } from './entry.ts';

export const planCodes = {
  SBX3001: {
    severity: 'error',
    exit: 6,
    summary: 'Saved plan is stale',
    meaning: 'The file, the state or the host changed since the plan was saved. Plan again.',
  },
} as const satisfies Record<string, CodeEntry>;
