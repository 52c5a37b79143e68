// One step: recorded, done within its time, recorded again.
import type { Address } from '../core/address.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import { toDiagnostic } from '../core/errors.ts';
import type { Step } from '../core/plan/steps.ts';
import type { AfterStep, JournalRecord } from '../core/state/journal.ts';
import { applyRecord } from '../core/state/replay.ts';
import type { Facts, ResourceRecord } from '../core/state/state.ts';
import type { Emit } from './events.ts';
import { limitOf, withLimit } from './limits.ts';
import { type Performers, perform, type RecordSink, type StepContext } from './provider.ts';

/** What steps of an apply have in common. */
export interface StepRun {
  /** Changed in place as records are written */
  readonly resources: Map<Address, ResourceRecord>;
  readonly journal: RecordSink;
  readonly performers: Performers;
  readonly emit: Emit;
  /** Told to running steps */
  readonly signal: AbortSignal;
  /** Most time of a step in `ms` instead of what its kind has */
  readonly stepLimitMs?: number;
  /** Everything written so far */
  readonly written: JournalRecord[];
  /** Why the journal cannot be written any more; nothing is begun then */
  broken?: unknown;
}

/** Record, act, record. Gives the diagnostic of a failure. Never throws; a journal that fails is kept in `broken`. */
export async function runStep(step: Step, run: StepRun): Promise<Diagnostic | undefined> {
  const { id, address, action } = step;
  try {
    const before = step.before === undefined ? {} : { record: step.before };
    await write({ type: 'begin', step: id, op: action.op, address, ...before }, run);
    const ms = run.stepLimitMs ?? limitOf(action);
    const facts = await withLimit((signal) => perform(run.performers, step, contextOf(step, run, signal)), {
      ms,
      signal: run.signal,
    });
    await write({ type: 'done', step: id, address, after: withFacts(step.after, facts) }, run);
    return undefined;
  } catch (error) {
    const diagnostic = toDiagnostic(error, address);
    if (run.broken === undefined)
      await write({ type: 'failed', step: id, address, reason: diagnostic.detail }, run).catch(() => undefined);
    return diagnostic;
  }
}

async function write(record: JournalRecord, run: StepRun): Promise<void> {
  try {
    await run.journal.append([record]);
  } catch (error) {
    run.broken ??= error;
    throw error;
  }
  run.written.push(record);
  applyRecord(run.resources, record);
}

function contextOf(step: Step, run: StepRun, signal: AbortSignal): StepContext {
  const { address } = step;
  return {
    address,
    signal,
    progress: (text) => run.emit({ type: 'step-progress', step: step.id, address, text }),
    record: (other) => run.resources.get(other),
    records: (kind) =>
      [...run.resources.values()].filter(
        (record): record is Extract<ResourceRecord, { kind: typeof kind }> => record.kind === kind,
      ),
  };
}

function withFacts(after: AfterStep, facts: Partial<Facts> | undefined): AfterStep {
  if (facts === undefined || after.type === 'removed') return after;
  return { ...after, facts: { ...after.facts, ...facts } };
}
