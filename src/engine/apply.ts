// Apply: runs the steps of a plan, each in the journal before and after, and says how every address ended.
import type { Address } from '../core/address.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import { toDiagnostic } from '../core/errors.ts';
import type { Change, Plan } from '../core/plan/plan.ts';
import type { Step } from '../core/plan/steps.ts';
import type { AfterStep, JournalRecord } from '../core/state/journal.ts';
import { applyRecord } from '../core/state/replay.ts';
import type { Facts, RecordedOutput, ResourceRecord } from '../core/state/state.ts';
import type { AddressOutcome, ApplyResult, Emit } from './events.ts';
import { type Performers, perform, type RecordSink, type StepContext } from './provider.ts';
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
}

/** Carries a plan out. Throws only when the journal cannot be written: then nothing more was started. */
export async function applyPlan(request: ApplyRequest): Promise<ApplyResult> {
  const { plan, emit, now, signal, journal } = request;
  const startedMs = now();
  const progress = new Progress(plan, emit, now);
  const broken: { journal?: unknown } = {};
  emit({ type: 'apply-started', plan });
  await runSchedule({
    steps: plan.steps,
    parallelism: request.parallelism,
    signal,
    run: async (step) => broken.journal === undefined && (await runStep(step, request, progress, broken)),
    skip: (step, because) => progress.skipped(step, because),
  });
  if (broken.journal !== undefined) throw broken.journal;
  const outcomes = progress.outcomes();
  const complete = outcomes.every((outcome) => outcome.outcome === 'done');
  if (complete) await journal.append([{ type: 'close', outputs: request.outputs }]);
  const status = complete ? 'complete' : signal.aborted ? 'interrupted' : 'partial';
  const result: ApplyResult = { status, outcomes, elapsedMs: now() - startedMs };
  emit({ type: 'apply-ended', result });
  return result;
}

/** Record, act, record. False when the step failed; a journal that fails is kept in `broken`, and nothing follows. */
async function runStep(
  step: Step,
  request: ApplyRequest,
  progress: Progress,
  broken: { journal?: unknown },
): Promise<boolean> {
  const write = async (record: JournalRecord): Promise<void> => {
    try {
      await request.journal.append([record]);
    } catch (error) {
      broken.journal ??= error;
      throw error;
    }
    applyRecord(request.resources, record);
  };
  const { id, address, action } = step;
  progress.started(step);
  try {
    await write({
      type: 'begin',
      step: id,
      op: action.op,
      address,
      ...(step.before === undefined ? {} : { record: step.before }),
    });
    const facts = await perform(request.performers, step, contextOf(step, request));
    await write({ type: 'done', step: id, address, after: withFacts(step.after, facts) });
    progress.done(step);
    return true;
  } catch (error) {
    const diagnostic = toDiagnostic(error, address);
    if (broken.journal === undefined) {
      await write({ type: 'failed', step: id, address, reason: diagnostic.detail }).catch(() => undefined);
    }
    progress.failed(step, diagnostic);
    return false;
  }
}

function contextOf(step: Step, request: ApplyRequest): StepContext {
  const { address } = step;
  return {
    address,
    signal: request.signal,
    progress: (text) => request.emit({ type: 'step-progress', step: step.id, address, text }),
    record: (other) => request.resources.get(other),
    records: (kind) =>
      [...request.resources.values()].filter(
        (record): record is Extract<ResourceRecord, { kind: typeof kind }> => record.kind === kind,
      ),
  };
}

function withFacts(after: AfterStep, facts: Partial<Facts> | undefined): AfterStep {
  if (facts === undefined || after.type === 'removed') return after;
  return { ...after, facts: { ...after.facts, ...facts } };
}

/** What happened to each change so far. One per apply. */
class Progress {
  readonly #emit: Emit;
  readonly #now: () => number;
  readonly #changes = new Map<Address, { readonly change: Change; left: number; begun?: number }>();
  readonly #started = new Map<string, number>();
  readonly #failed = new Map<Address, Diagnostic>();
  readonly #skipped = new Map<Address, string>();

  constructor(plan: Plan, emit: Emit, now: () => number) {
    this.#emit = emit;
    this.#now = now;
    for (const change of plan.changes) this.#changes.set(change.address, { change, left: change.steps.length });
  }

  started(step: Step): void {
    const at = this.#now();
    this.#started.set(step.id, at);
    const entry = this.#changes.get(step.address);
    if (entry !== undefined) entry.begun ??= at;
    this.#emit({ type: 'step-started', step: step.id, address: step.address, op: step.action.op });
  }

  done(step: Step): void {
    this.#emit({ type: 'step-done', ...this.#ended(step) });
    const entry = this.#changes.get(step.address);
    if (entry === undefined) return;
    entry.left -= 1;
    if (entry.left > 0) return;
    const { address, action } = entry.change;
    this.#emit({ type: 'change-done', address, action, elapsedMs: this.#now() - (entry.begun ?? this.#now()) });
  }

  failed(step: Step, diagnostic: Diagnostic): void {
    this.#failed.set(step.address, diagnostic);
    this.#emit({ type: 'step-failed', ...this.#ended(step), diagnostic });
  }

  skipped(step: Step, because: Step | undefined): void {
    const text = because === undefined ? 'the apply was interrupted' : `${because.id} failed`;
    if (!this.#skipped.has(step.address)) this.#skipped.set(step.address, text);
    this.#emit({ type: 'step-skipped', step: step.id, address: step.address, op: step.action.op, because: text });
  }

  outcomes(): readonly AddressOutcome[] {
    return [...this.#changes.values()].map(({ change: { address }, begun, left }) => {
      const diagnostic = this.#failed.get(address);
      if (diagnostic !== undefined) return { address, outcome: 'failed', diagnostic };
      const because = this.#skipped.get(address);
      if (because !== undefined && left > 0)
        return { address, outcome: begun === undefined ? 'not-started' : 'unfinished', because };
      return { address, outcome: 'done' };
    });
  }

  #ended(
    step: Step,
  ): Pick<Extract<Parameters<Emit>[0], { type: 'step-done' }>, 'step' | 'address' | 'op' | 'elapsedMs'> {
    const elapsedMs = this.#now() - (this.#started.get(step.id) ?? this.#now());
    return { step: step.id, address: step.address, op: step.action.op, elapsedMs };
  }
}
