// Runs a graph of steps with a bound: what is ready starts in order, what needs a failed step is skipped.
import { dependantsOf } from '../core/plan/order.ts';
import type { Step } from '../core/plan/steps.ts';

export interface Schedule {
  readonly steps: readonly Step[];
  /** Most steps that run at a time; at least 1 */
  readonly parallelism: number;
  /** Runs one step; false when it failed. Must not throw */
  readonly run: (step: Step) => Promise<boolean>;
  /** Called for each step that never ran, with the step that failed, or without one after an abort */
  readonly skip: (step: Step, because: Step | undefined) => void;
  readonly signal: AbortSignal;
}

/** Resolves when every step has run or was skipped. Linear in steps and needs. */
export function runSchedule(schedule: Schedule): Promise<void> {
  const { steps, signal, run, skip } = schedule;
  const parallelism = Math.max(1, schedule.parallelism);
  const dependants = dependantsOf(steps);
  const waiting = new Map(steps.map((step) => [step.id, step.needs.length]));
  const settled = new Set<string>();
  const ready = steps.filter((step) => step.needs.length === 0);
  let next = 0;
  let running = 0;

  const skipAfter = (failed: Step): void => {
    const doomed = [...(dependants.get(failed.id) ?? [])];
    for (let step = doomed.pop(); step !== undefined; step = doomed.pop()) {
      if (settled.has(step.id)) continue;
      settled.add(step.id);
      skip(step, failed);
      doomed.push(...(dependants.get(step.id) ?? []));
    }
  };
  const release = (done: Step): void => {
    for (const step of dependants.get(done.id) ?? []) {
      const left = (waiting.get(step.id) ?? 0) - 1;
      waiting.set(step.id, left);
      if (left === 0 && !settled.has(step.id)) ready.push(step);
    }
  };
  const takeReady = (): Step | undefined => {
    while (next < ready.length && !signal.aborted && running < parallelism) {
      const step = ready[next];
      next += 1;
      if (step !== undefined && !settled.has(step.id)) return step;
    }
    return undefined;
  };
  return new Promise((resolve) => {
    const pump = (): void => {
      for (let step = takeReady(); step !== undefined; step = takeReady()) start(step);
      if (running > 0) return;
      for (const step of steps) if (!settled.has(step.id)) skip(step, undefined);
      resolve();
    };
    const start = (step: Step): void => {
      settled.add(step.id);
      running += 1;
      void run(step).then((succeeded) => {
        running -= 1;
        if (succeeded) release(step);
        else skipAfter(step);
        pump();
      });
    };
    pump();
  });
}
