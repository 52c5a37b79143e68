// Codes SBX8xxx: reaching into a guest.
import type { CodeEntry } from './entry.ts';

export const guestCodes = {
  SBX8001: { severity: 'error', summary: 'Guest does not answer', meaning: 'The guest agent did not answer in time.' },
} as const satisfies Record<string, CodeEntry>;
