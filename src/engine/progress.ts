// What happened to each change of an apply so far, told as events while it happens and summed up at the end.
import type { Address } from '../core/address.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { Change, Plan } from '../core/plan/plan.ts';
import type { Step } from '../core/plan/steps.ts';
import type { AddressOutcome, Emit, EngineEvent } from './events.ts';

interface Entry {
  readonly change: Change;
  left: number;
  begun?: number;
}

/** One per apply. */
export class Progress {
  readonly #emit: Emit;
  readonly #now: () => number;
  readonly #changes = new Map<Address, Entry>();
  readonly #started = new Map<string, number>();
  readonly #failed = new Map<Address, Diagnostic>();
  readonly #skipped = new Map<Address, string>();
  readonly #undone = new Set<Address>();
  readonly #kept = new Map<Address, string>();

  constructor(plan: Plan, emit: Emit, now: () => number) {
    this.#emit = emit;
    this.#now = now;
    for (const change of plan.changes) this.#changes.set(change.address, { change, left: change.steps.length });
  }

  /** Whether any step failed. */
  get anyFailed(): boolean {
    return this.#failed.size > 0;
  }

  started(step: Step): void {
    this.#start(step);
    const entry = this.#changes.get(step.address);
    if (entry !== undefined) entry.begun ??= this.#now();
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

  skipped(step: Step, because: string): void {
    if (!this.#skipped.has(step.address)) this.#skipped.set(step.address, because);
    this.#emit({ type: 'step-skipped', step: step.id, address: step.address, op: step.action.op, because });
  }

  /** A step of the rollback began. */
  undoing(step: Step): void {
    this.#start(step);
  }

  /** A step of the rollback is done; `last` when its address is as it was. */
  undid(step: Step, last: boolean): void {
    this.#emit({ type: 'step-done', ...this.#ended(step) });
    if (!last) return;
    this.#undone.add(step.address);
    this.#emit({ type: 'change-undone', address: step.address });
  }

  /** A step of the rollback failed; the first failure of an address is the one that is told. */
  undoFailed(step: Step, diagnostic: Diagnostic): void {
    this.kept(step.address, `undoing it failed: ${diagnostic.detail}`);
    this.#emit({ type: 'step-failed', ...this.#ended(step), diagnostic });
  }

  /** An address is not taken back. */
  kept(address: Address, because: string): void {
    if (!this.#kept.has(address)) this.#kept.set(address, because);
  }

  outcomes(): readonly AddressOutcome[] {
    return [...this.#changes.values()].map((entry) => this.#outcome(entry));
  }

  #outcome({ change: { address }, begun, left }: Entry): AddressOutcome {
    const undone = this.#undone.has(address);
    const kept = this.#kept.get(address);
    const staying = kept === undefined ? {} : { kept };
    const diagnostic = this.#failed.get(address);
    if (diagnostic !== undefined)
      return { address, outcome: 'failed', diagnostic, ...(undone ? { undone } : {}), ...staying };
    if (undone) return { address, outcome: 'undone' };
    const because = this.#skipped.get(address);
    if (because === undefined || left <= 0) return { address, outcome: 'done', ...staying };
    return { address, outcome: begun === undefined ? 'not-started' : 'unfinished', because, ...staying };
  }

  #start(step: Step): void {
    this.#started.set(step.id, this.#now());
    this.#emit({ type: 'step-started', step: step.id, address: step.address, op: step.action.op });
  }

  #ended(step: Step): Pick<Extract<EngineEvent, { type: 'step-done' }>, 'step' | 'address' | 'op' | 'elapsedMs'> {
    const elapsedMs = this.#now() - (this.#started.get(step.id) ?? this.#now());
    return { step: step.id, address: step.address, op: step.action.op, elapsedMs };
  }
}
