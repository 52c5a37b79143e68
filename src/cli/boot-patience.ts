// How long a command waits for a guest that is still booting, and the one line that says so.
import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../core/units.ts';
import type { Guest } from './find-guest.ts';
import type { Io } from './services.ts';

/** A guest that was started less long ago may still be booting. */
const bootMs = 120_000;
/** What every guest gets: it may be starting anew by itself. */
const leastMs = 10_000;
/** A wait this long wants a word. */
const quietMs = 1000;
const pauseMs = 250;

/** How long to wait for a guest, from now, in `ms`: as asked for, else until 2 min after its start, and 10 s at least. */
export function patienceMs(
  asked: number | undefined,
  startedAtMs: number | undefined,
  now: { readonly wallMs: number },
): number {
  if (asked !== undefined) return asked;
  // Clocks may be set back: nobody waits longer than a boot may take.
  const left = startedAtMs === undefined ? 0 : Math.min(startedAtMs + bootMs - now.wallMs, bootMs);
  return Math.max(left, leastMs);
}

/** The same for a guest as it is recorded, now. */
export function patienceOf({ record }: Guest, asked: number | undefined): number {
  return patienceMs(asked, record.facts.startedAtMs, { wallMs: Date.now() });
}

/** The one line that says why nothing happens. */
export function sayWaiting({ stderr }: Pick<Io, 'stderr'>, { record }: Guest, limitMs: number, whom: string): void {
  const limit = formatDuration(Math.ceil(limitMs / 1000) * 1000);
  stderr.write(`${record.address} does not answer yet: waiting for ${whom}, up to ${limit} (--timeout).\n`);
}

/** One try to get in: its result, or why it came to nothing so far. */
export type Try<T> = { readonly done: T } | { readonly why: string };

export interface Waiting {
  readonly limitMs: number;
  /** Says that somebody waits; called once, when that takes about a second */
  readonly say: () => void;
  readonly signal: AbortSignal;
}

/**
 * Tries until it is done or time is over; `restMs` is what is left of it, 0 for the first of no patience. Gives the last reason
 * when it never came to an end. The notice comes only while `isWaiting` says that nobody has answered.
 */
export async function untilReached<T>(
  waiting: Waiting,
  attempt: (restMs: number) => Promise<Try<T>>,
  isWaiting: () => Promise<boolean>,
): Promise<Try<T>> {
  const end = performance.now() + waiting.limitMs;
  const notice = setTimeout(() => void isWaiting().then((waits) => (waits ? waiting.say() : undefined)), quietMs);
  try {
    for (;;) {
      const found = await attempt(Math.max(0, end - performance.now()));
      if ('done' in found || performance.now() + pauseMs >= end) return found;
      // Whoever was interrupted finds out at the next try.
      await delay(pauseMs, undefined, { signal: waiting.signal }).catch(() => undefined);
    }
  } finally {
    clearTimeout(notice);
  }
}
