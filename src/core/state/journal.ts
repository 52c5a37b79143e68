// Records of the journal. A line of JSON each; replaying them over the state gives what is recorded now.
import type { Address } from '../address.ts';
import type { Attrs, Facts, RecordedOutput, RecordStatus, ResourceRecord } from './state.ts';

export type JournalRecord =
  /** First line: which apply this is, on which state */
  | {
      readonly type: 'open';
      readonly format_version: 1;
      /** Version of the sbx that applies */
      readonly sbx_version?: string;
      readonly lineage: string;
      readonly serial: number;
      readonly command: string;
      readonly pid: number;
      readonly atMs: number;
      /** Header of the state to make when there is none yet */
      readonly name: string;
      readonly instance?: string;
      readonly folder: string;
      readonly files: readonly string[];
    }
  /** Written before a step runs. `record` is the resource as it is known from now on; absent leaves it as it is */
  | {
      readonly type: 'begin';
      readonly step: string;
      readonly op: string;
      readonly address: Address;
      readonly record?: ResourceRecord;
    }
  /** Written after a step ran */
  | { readonly type: 'done'; readonly step: string; readonly address: Address; readonly after: AfterStep }
  /** Written after a step failed; the resource keeps `pending` */
  | { readonly type: 'failed'; readonly step: string; readonly address: Address; readonly reason: string }
  /** Last line of an apply that ended by itself */
  | { readonly type: 'close'; readonly outputs: Readonly<Record<string, RecordedOutput>> };

/** Facts that a step can end. */
export type DroppableFact = 'process' | 'owes';

/** What a finished step makes of the record of its address. */
export type AfterStep =
  | { readonly type: 'removed' }
  | {
      readonly type: 'patched';
      readonly status?: RecordStatus;
      /** Top-level members of `attrs` that are true from now on */
      readonly attrs?: Partial<Attrs>;
      readonly facts?: Partial<Facts>;
      /** Members of `facts` that are true no more: a VM that was stopped has no process */
      readonly drops?: readonly DroppableFact[];
      /** What it needs from now on */
      readonly dependsOn?: readonly Address[];
      /** A step that still has to follow: the resource is not whole without it */
      readonly pending?: NonNullable<ResourceRecord['pending']>;
    };
