// What shows an apply while it runs. Views subscribe to events of the engine; it knows none of them.
import type { Plan } from '../core/plan/plan.ts';
import type { Emit } from '../engine/events.ts';

/** One way to show an apply. */
export interface View {
  /** Takes every event of one apply, in order */
  readonly emit: Emit;
  /** Told at the first Ctrl-C, before the engine says anything */
  interrupting(): void;
  /** Draws what is left and gives the terminal back. Safe to repeat */
  close(): Promise<void>;
}

/** What a view draws on, and how. */
export interface ViewOptions {
  readonly stream: NodeJS.WritableStream & {
    readonly columns?: number;
    readonly rows?: number;
    readonly writableNeedDrain?: boolean;
  };
  readonly color: boolean;
  readonly plan: Plan;
}
