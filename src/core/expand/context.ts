// What the parts of one expansion share: the file, the inputs, resolved values, and the guard against endless work.
import type { Address } from '../address.ts';
import type { DesiredImage, DesiredVolume } from '../desired.ts';
import type { Place } from '../diagnostic.ts';
import type { Document } from '../load/document.ts';
import type { RawSandbox, RawValue, RawVariable, RawVm } from '../load/raw.ts';
import type { Allocator } from './addresses.ts';
import type { ExpandInputs } from './inputs.ts';
import type { Network } from './networks.ts';
import type { Publisher } from './ports.ts';
import type { Problem } from './problem.ts';
import type { Reporter } from './report.ts';
import type { ParsedText } from './text.ts';

/** The outcome of evaluating something: a value, a problem to report, or a failure that is reported already. */
export type Evaluated =
  | {
      readonly ok: true;
      readonly value: RawValue;
      readonly sensitive: boolean;
      /** How a number or switch was written, where it reads otherwise: 1.10, 0x1F, True */
      readonly text?: string;
    }
  /** `optional`: nothing is there, so that `default(…)` may step in; `unknown`: it will have a value, which nobody knows yet */
  | { readonly ok: false; readonly problem?: Problem; readonly optional?: boolean; readonly unknown?: Unknown };

/** What is known of a value that is not known. */
export interface Unknown {
  readonly sensitive: boolean;
  /** Absent when it may be of any type */
  readonly type?: NonNullable<RawVariable['type']>;
}

/** VMs that one entry under `vms` declares. */
export interface Group {
  readonly name: string;
  /** Template and own settings, merged */
  readonly raw: RawVm;
  readonly form: 'single' | 'count' | 'each';
  readonly instances: readonly Instance[];
  /** Instances by key as text; one VM alone has the key '' */
  readonly byKey: ReadonlyMap<string, Instance>;
  /** Where it is declared */
  readonly place: () => Place | undefined;
  /** Whether it is not known which instances there are: one stands for all of them, under the key '' */
  readonly open: boolean;
  /** Whether any value of `raw` holds a reference */
  readonly hasReferences: boolean;
}

/** One VM. */
export interface Instance {
  readonly address: Address;
  readonly group: Group;
  readonly key?: string | number;
  /** `each.value` */
  readonly value?: RawValue;
}

/** In whose name a text is evaluated. */
export interface Scope {
  readonly instance?: Instance;
  /** Only variables, each, count and files may be used: the value decides what the file declares */
  readonly shapesFile?: boolean;
}

export interface Context {
  readonly document: Document;
  readonly root: RawSandbox;
  readonly inputs: ExpandInputs;
  readonly reporter: Reporter;
  /** The value of a text with references; here, since fields of VMs are texts that refer to fields of VMs */
  readonly evaluate: (scope: Scope, text: string) => Evaluated;
  /** Whether the file holds any reference at all; without, nothing needs to be walked */
  readonly anyReference: boolean;
  readonly parsed: Map<string, ParsedText>;
  readonly variables: Map<string, Evaluated>;
  readonly usedVariables: Set<string>;
  readonly usedTemplates: Set<string>;
  readonly usedImages: Set<string>;
  /** Keys whose value is not known: `image` and `template` among them leave open what is used */
  readonly unknownKeys: Set<string>;
  /** Undefined: declared, but with errors */
  readonly networks: Map<string, Network | undefined>;
  readonly volumes: Map<string, DesiredVolume | undefined>;
  readonly images: Map<string, DesiredImage | undefined>;
  readonly groups: Map<string, Group | undefined>;
  /** Addresses of VMs; there once the VMs are known */
  allocator: Allocator | undefined;
  /** Published ports of VMs; there once the VMs are known */
  publisher: Publisher | undefined;
  /** Values that references ask for, kept so that each is made once */
  readonly cells: Map<string, Evaluated>;
  /** Cells being made, outermost first */
  readonly open: Set<string>;
  /** Characters that references have made so far */
  grown: number;
  /** What patterns had to do so far, in instructions times characters */
  patternWork: number;
}
