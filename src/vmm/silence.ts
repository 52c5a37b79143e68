// A VMM that does not answer: what its process does meanwhile, so that one that works, or cannot, is told from one that hangs.
import type { ProcessRef } from '../core/state/facts.ts';
import {
  type Activity,
  type ActivitySample,
  activityBetween,
  isStopped,
  sampleActivity,
} from '../host/process-activity.ts';

/** How long nothing is looked at, in `ms`: a healthy VMM has answered by then. */
const firstLookMs = 200;
const lookEveryMs = 200;

/** How long a silence that was waited for once need not be waited for again, in `ms`. */
const rememberedMs = 60_000;

/** How long a VMM has that was just found silent, in `ms`. */
const shortMs = 500;

const silentAt = new Map<string, number>();

/** An eye on the process behind a question. */
export interface Watch {
  /** Aborted when the process is stopped: no answer will come */
  readonly signal: AbortSignal;
  /** Ends the watch and says what the process did; undefined when the answer came too soon to look */
  readonly end: () => Seen | undefined;
}

export interface Seen {
  readonly pid: number;
  readonly activity: Activity;
}

/** Watches a process while a question is open. Looks at nothing when the answer comes soon. */
export function watch(find: () => ProcessRef | undefined): Watch {
  const controller = new AbortController();
  let process: ProcessRef | undefined;
  let first: ActivitySample | undefined;
  let stoppedBefore = false;
  const look = (): void => {
    process ??= find();
    const sample = process === undefined ? undefined : sampleActivity(process.pid);
    first ??= sample;
    const stopped = sample !== undefined && isStopped(sample);
    // Once may be a debugger that only looks.
    if (stopped && stoppedBefore) controller.abort();
    stoppedBefore = stopped;
    if (!controller.signal.aborted) timer = setTimeout(look, lookEveryMs);
  };
  let timer = setTimeout(look, firstLookMs);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      const last = process === undefined ? undefined : sampleActivity(process.pid);
      if (process === undefined || first === undefined || last === undefined) return undefined;
      return { pid: process.pid, activity: activityBetween(first, last) };
    },
  };
}

/** Whether a silent VMM does its work, or would if the host let it: then it is not ended for its silence. */
export function isAtWork(seen: Seen | undefined): boolean {
  return seen?.activity === 'guest runs' || seen?.activity === 'starved' || seen?.activity === 'blocked';
}

/** A silence as an observation, in words without figures of this look: a plan that is made again must say the same. */
export function unresponsive(
  reason: string,
  seen: Seen | undefined,
): { readonly state: 'unresponsive'; readonly reason: string; readonly atWork?: true } {
  switch (seen?.activity) {
    case undefined:
    case 'unknown':
      return { state: 'unresponsive', reason };
    case 'stopped':
      return {
        state: 'unresponsive',
        reason: `its VMM is stopped by a signal or a debugger (kill -CONT ${seen.pid} lets it go on)`,
      };
    case 'idle':
      return { state: 'unresponsive', reason: `${reason}, and its vCPUs do nothing` };
    case 'guest runs':
      return { state: 'unresponsive', reason: `${reason}, but its vCPUs are at work`, atWork: true };
    case 'starved':
      return { state: 'unresponsive', reason: `${reason}, but it waits for a CPU of this busy host`, atWork: true };
    case 'blocked':
      return { state: 'unresponsive', reason: `${reason}, but it waits for a disk of this host`, atWork: true };
  }
}

/** Notes whether the VMM behind a socket was silent without being at work, for whoever asks it next in this run of sbx. */
export function noteSilence(socketPath: string, silent: boolean): void {
  if (silent) silentAt.set(socketPath, performance.now());
  else silentAt.delete(socketPath);
}

/** The time to give a VMM: the limit, or a moment when it was silent for that long just now. One silence is waited for once. */
export function patienceFor(socketPath: string, limitMs: number): number {
  const at = silentAt.get(socketPath);
  return at !== undefined && performance.now() - at < rememberedMs ? Math.min(limitMs, shortMs) : limitMs;
}
