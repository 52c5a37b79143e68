// The key of a home: 32 random bytes, made on first need. With it sensitive values are compared without being kept.
import { bug } from '../core/errors.ts';
import type { Home } from './home.ts';

/** Secret of a home; never printed, never in a plan or state. */
export type HomeKey = Buffer & { readonly __brand: 'HomeKey' };

/** The key, or undefined when there is none yet. Writes nothing. Throws SBX4024 when it is damaged. */
export async function readKey(home: Home): Promise<HomeKey | undefined> {
  return bug(home.state);
}

/** The key; made, mode 0600, when there is none. Two who make it at once get the same. Throws SBX4008, SBX4024. */
export async function ensureKey(home: Home): Promise<HomeKey> {
  return bug(home.state);
}

/** What stands for a sensitive value: equal for equal text with the same key, tells nothing without it. */
export function keyedHash(key: HomeKey, text: string): string {
  return bug(text + key.length);
}
