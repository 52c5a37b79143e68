// Apply: runs the steps of a plan, each in the journal before and after, and says how every address ended.
import { setMaxListeners } from 'node:events';
import type { Address } from '../core/address.ts';
import { invert } from '../core/plan/inverse.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { OnFailure } from '../core/plan/request.ts';
import type { RecordedOutput, ResourceRecord } from '../core/state/state.ts';
import type { ApplyResult, Emit } from './events.ts';
import { watchHalt } from './halt.ts';
import { Progress } from './progress.ts';
import type { Performers, RecordSink } from './provider.ts';
import { runStep, type StepRun } from './run-step.ts';
import { runSchedule } from './scheduler.ts';

export interface ApplyRequest {
  readonly plan: Plan;
  /** Resources as recorded when the plan was made; changed in place as records are written */
  readonly resources: Map<Address, ResourceRecord>;
  /** Outputs to record when everything is done */
  readonly outputs: Readonly<Record<string, RecordedOutput>>;
  readonly journal: RecordSink;
  readonly performers: Performers;
  readonly emit: Emit;
  readonly parallelism: number;
  readonly signal: AbortSignal;
  /** Monotonic clock in `ms` */
  readonly now: () => number;
  /** `continue`: work that does not need the failed step goes on; `stop`: nothing more starts; `rollback`: what was done is undone */
  readonly onFailure?: OnFailure;
  /** Most time of the whole apply in `ms`; a rollback comes after it */
  readonly timeoutMs?: number;
  /** Most time of each step in `ms` instead of what its kind has */
  readonly stepLimitMs?: number;
}

/** Carries a plan out. Throws only when the journal cannot be written: then nothing more was started. */
export async function applyPlan(request: ApplyRequest): Promise<ApplyResult> {
  const { plan, emit, now, signal, journal, resources } = request;
  const startedMs = now();
  const prior = new Map(resources);
  const progress = new Progress(plan, emit, now);
  emit({ type: 'apply-started', plan });
  const { run, late } = await runForward(request, progress);
  if (run.broken !== undefined) throw run.broken;
  const unfinished = progress.outcomes().some(({ outcome }) => outcome !== 'done');
  const undo = request.onFailure === 'rollback' && !signal.aborted && (progress.anyFailed || (late && unfinished));
  if (undo) await rollBack(request, run, prior, progress);
  if (run.broken !== undefined) throw run.broken;
  const outcomes = progress.outcomes();
  const complete = !undo && outcomes.every((outcome) => outcome.outcome === 'done');
  if (complete) await journal.append([{ type: 'close', outputs: request.outputs }]);
  const status = complete ? 'complete' : signal.aborted ? 'interrupted' : 'partial';
  const result: ApplyResult = { status, outcomes, elapsedMs: now() - startedMs };
  emit({ type: 'apply-ended', result });
  return result;
}

async function runForward(
  request: ApplyRequest,
  progress: Progress,
): Promise<{ readonly run: StepRun; readonly late: boolean }> {
  const { onFailure = 'continue' } = request;
  const halt = watchHalt(request.signal, request.timeoutMs);
  const run = stepRunOf(request, halt.running);
  await runSchedule({
    steps: request.plan.steps,
    parallelism: request.parallelism,
    signal: halt.starting,
    run: async (step) => {
      if (run.broken !== undefined) return false;
      progress.started(step);
      const failure = await runStep(step, run);
      if (failure === undefined) progress.done(step);
      else progress.failed(step, failure);
      if (failure !== undefined && onFailure !== 'continue') halt.stop(`${step.id} failed`);
      return failure === undefined;
    },
    skip: (step, because) =>
      progress.skipped(step, because === undefined ? (halt.reason() ?? 'the apply ended') : `${because.id} failed`),
  });
  halt.off();
  return { run, late: halt.late() };
}

function stepRunOf(request: ApplyRequest, signal: AbortSignal): StepRun {
  const { resources, journal, performers, emit, stepLimitMs } = request;
  const limit = stepLimitMs === undefined ? {} : { stepLimitMs };
  // One for each step that runs: Node.js warns of more than ten, into the middle of the view.
  setMaxListeners(request.parallelism + 10, signal);
  return { resources, journal, performers, emit, signal, written: [], ...limit };
}

/** Runs the inverse steps, in the journal like any others. What cannot be undone stays, with its reason. */
async function rollBack(
  request: ApplyRequest,
  forward: StepRun,
  prior: ReadonlyMap<Address, ResourceRecord>,
  progress: Progress,
): Promise<void> {
  const { plan, resources, signal } = request;
  const inverse = invert({ steps: plan.steps, records: forward.written, prior, now: resources });
  request.emit({ type: 'rollback-started', addresses: [...new Set(inverse.steps.map((step) => step.address))] });
  for (const [address, reason] of inverse.kept) progress.kept(address, reason);
  const lastOf = new Map(inverse.steps.map((step) => [step.address, step.id]));
  const run = stepRunOf(request, signal);
  await runSchedule({
    steps: inverse.steps,
    parallelism: request.parallelism,
    signal,
    run: async (step) => {
      if (run.broken !== undefined) return false;
      progress.undoing(step);
      const failure = await runStep(step, run);
      if (failure === undefined) progress.undid(step, lastOf.get(step.address) === step.id);
      else progress.undoFailed(step, failure);
      return failure === undefined;
    },
    skip: (step, because) =>
      progress.kept(
        step.address,
        because === undefined ? 'the rollback was interrupted' : `${because.address} was not undone`,
      ),
  });
  forward.broken ??= run.broken;
}
