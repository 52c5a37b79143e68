// When an apply ends early: a signal, its time is over, or a step failed and that is to be the end.
import { SbxError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';

/** Ends an apply early. */
export interface Halt {
  /** Raised when nothing more is to be started */
  readonly starting: AbortSignal;
  /** Raised when running steps are to end too */
  readonly running: AbortSignal;
  /** Why nothing more is started, in words for users; undefined while it goes on */
  readonly reason: () => string | undefined;
  /** Whether the time is over */
  readonly late: () => boolean;
  /** Starts nothing more; what runs goes on to its end */
  readonly stop: (reason: string) => void;
  /** Takes timer and listener off */
  readonly off: () => void;
}

/** Watches the signal of whoever applies, and the clock when there is a limit in `ms`. */
export function watchHalt(signal: AbortSignal, timeoutMs: number | undefined): Halt {
  const starting = new AbortController();
  const running = new AbortController();
  let why: string | undefined;
  let late = false;
  const end = (reason: string, cause: unknown): void => {
    why ??= reason;
    starting.abort(cause);
    running.abort(cause);
  };
  const onAbort = (): void => end('the apply was interrupted', signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const onTime = (): void => {
    late = true;
    const words = `the ${formatDuration(timeoutMs ?? 0)} of --timeout are over`;
    end(words, new SbxError('SBX3172', words));
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTime, timeoutMs);
  return {
    starting: starting.signal,
    running: running.signal,
    reason: () => why,
    late: () => late,
    stop: (reason) => {
      why ??= reason;
      starting.abort();
    },
    off: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
