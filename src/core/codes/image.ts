// Codes SBX7xxx: images and their cache.
import type { CodeEntry } from './entry.ts';

export const imageCodes = {
  SBX7001: { severity: 'error', summary: 'Image cannot be built', meaning: 'A step of an image recipe failed.' },
} as const satisfies Record<string, CodeEntry>;
