// How an apply ended, address by address: told by the engine, shown by the views.
import type { Address } from '../address.ts';
import type { Diagnostic } from '../diagnostic.ts';

/** How one address ended. After a rollback `kept` says why an address is not as it was before. */
export type AddressOutcome =
  | { readonly address: Address; readonly outcome: 'done'; readonly kept?: string }
  | {
      readonly address: Address;
      readonly outcome: 'failed';
      readonly diagnostic: Diagnostic;
      /** Whether a rollback took back what it had done */
      readonly undone?: boolean;
      readonly kept?: string;
    }
  | { readonly address: Address; readonly outcome: 'undone' }
  | {
      readonly address: Address;
      readonly outcome: 'not-started' | 'unfinished';
      readonly because: string;
      readonly kept?: string;
    };

/** The end of an apply. */
export interface ApplyResult {
  readonly status: 'complete' | 'partial' | 'interrupted';
  readonly outcomes: readonly AddressOutcome[];
  readonly elapsedMs: number;
}
