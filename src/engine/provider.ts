// What the engine needs from the outside: who performs steps, and where records go. Passed in, never imported.
import type { Address, Kind } from '../core/address.ts';
import type { ActionOf, Step, StepOp } from '../core/plan/steps.ts';
import type { JournalRecord } from '../core/state/journal.ts';
import type { Facts, ResourceRecord } from '../core/state/state.ts';

/** What a performer may use beside the arguments of its step. */
export interface StepContext {
  readonly address: Address;
  /** Aborted when the apply is to end early; long waits give up on it, short operations finish */
  readonly signal: AbortSignal;
  /** Tells how far a long step is */
  readonly progress: (text: string) => void;
  /** The record of an address as the journal has it now */
  readonly record: (address: Address) => ResourceRecord | undefined;
  /** All records of a kind */
  readonly records: <K extends Kind>(kind: K) => readonly Extract<ResourceRecord, { kind: K }>[];
}

/** Does one step; safe to repeat. Gives facts to record; throws SbxError when it could not. */
export type Performer<O extends StepOp> = (
  action: ActionOf<O>,
  context: StepContext,
) => Promise<Partial<Facts> | undefined>;

/** One performer per step; the compiler lists what is missing. */
export type Performers = { readonly [O in StepOp]: Performer<O> };

/** Where records are made durable before anything else happens. */
export interface RecordSink {
  append(records: readonly JournalRecord[]): Promise<void>;
}

/** Runs the performer of a step. */
export function perform(performers: Performers, step: Step, context: StepContext): Promise<Partial<Facts> | undefined> {
  // The table is keyed by the op of the very same action; the compiler cannot follow that through the union.
  const performer = performers[step.action.op] as Performer<StepOp>;
  return performer(step.action, context);
}
