// Time limits of steps: a net below the limits that drivers and programs have themselves, so that every apply ends.
import { describeError, isSbxError, SbxError } from '../core/errors.ts';
import type { StepAction } from '../core/plan/steps.ts';

const minuteMs = 60_000;
/** How long a step that was told to end may take to do so, in `ms`. */
const endWithinMs = 30_000;

/** Most time that a step may take in `ms`. Making an image may download one, and another sbx may be doing just that. */
export function limitOf(action: StepAction): number {
  switch (action.op) {
    case 'image.ensure':
    case 'vm.disk-create':
    case 'vm.start':
      return 60 * minuteMs;
    case 'vm.ready':
      return (action.attrs.ready?.timeoutMs ?? 0) + minuteMs;
    case 'vm.stop':
      return action.graceMs + minuteMs;
    default:
      return 10 * minuteMs;
  }
}

export interface Limit {
  /** Most time in `ms` */
  readonly ms: number;
  /** How long work that was told to end may take to do so; default 30 s */
  readonly graceMs?: number;
  /** Ends the work earlier; it is waited for until `ms` are over */
  readonly signal: AbortSignal;
}

/**
 * Does work that is told to end by its signal when the time is over, and is waited for no longer than `graceMs` after
 * that. Throws SBX3171 then, and an SbxError for an end that the signal asked for.
 */
export async function withLimit<T>(work: (signal: AbortSignal) => Promise<T>, limit: Limit): Promise<T> {
  const { ms, graceMs = endWithinMs, signal } = limit;
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const late = new SbxError('SBX3171', `it did not end within ${Math.round(ms / 1000)} s`);
  const soft = setTimeout(() => own.abort(late), ms);
  let hard: NodeJS.Timeout | undefined;
  const abandoned = new Promise<never>((_resolve, reject) => {
    hard = setTimeout(() => reject(late), ms + graceMs);
  });
  try {
    return await Promise.race([work(own.signal), abandoned]);
  } catch (error) {
    throw own.signal.aborted && isAbort(error, own.signal.reason) ? reasonOf(own.signal.reason) : error;
  } finally {
    clearTimeout(soft);
    clearTimeout(hard);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Whether an error only passes on that a signal was raised. */
function isAbort(error: unknown, reason: unknown): boolean {
  for (let at = error; at instanceof Error || at === reason; at = (at as Error).cause) {
    if (at === reason || (at as Error).name === 'AbortError') return true;
  }
  return false;
}

function reasonOf(reason: unknown): SbxError {
  return isSbxError(reason) ? reason : new SbxError('SBX3170', describeError(reason));
}
