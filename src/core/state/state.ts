// The state of one sandbox instance: what sockets cannot tell. The file's format is schemas/state.schema.json.
import type { Address } from '../address.ts';
import type { Json } from '../json.ts';
import type { ImageAttrs, NetworkAttrs, SandboxAttrs, VmAttrs, VolumeAttrs } from './attrs.ts';
import type { ImageFacts, NetworkFacts, SandboxFacts, VmFacts, VolumeFacts } from './facts.ts';

/** `creating`: some step of the creation is not done. `deleting`: some step of the removal is done. */
export type RecordStatus = 'creating' | 'ready' | 'deleting';

interface RecordOf<K extends string, A, F> {
  readonly kind: K;
  readonly address: Address;
  readonly status: RecordStatus;
  /** A step that began and of which no end is known, or that still has to follow the last one */
  readonly pending?: { readonly step: string; readonly op: string };
  /** What the last apply made of the file: complete and comparable; no secrets */
  readonly attrs: A;
  /** What the host answered: pids, paths, versions */
  readonly facts: F;
  /** Addresses that must outlive this one */
  readonly dependsOn: readonly Address[];
}

export type SandboxRecord = RecordOf<'sandbox', SandboxAttrs, SandboxFacts>;
export type ImageRecord = RecordOf<'image', ImageAttrs, ImageFacts>;
export type VolumeRecord = RecordOf<'volume', VolumeAttrs, VolumeFacts>;
export type NetworkRecord = RecordOf<'network', NetworkAttrs, NetworkFacts>;
export type VmRecord = RecordOf<'vm', VmAttrs, VmFacts>;
export type ResourceRecord = SandboxRecord | ImageRecord | VolumeRecord | NetworkRecord | VmRecord;

export type Attrs = ResourceRecord['attrs'];
export type Facts = ResourceRecord['facts'];

export interface State {
  readonly format_version: 1;
  /** Version of the sbx that wrote it */
  readonly sbx_version: string;
  /** Identity of this state: made once, at the first apply */
  readonly lineage: string;
  /** Counts every write of the state file */
  readonly serial: number;
  readonly name: string;
  readonly instance?: string;
  /** Absolute folder that the sandbox file came from */
  readonly folder: string;
  /** Files given with -f, or the default one; absolute. The lease needs them for nothing; `show` names them */
  readonly files: readonly string[];
  readonly resources: readonly ResourceRecord[];
  readonly outputs: Readonly<Record<string, RecordedOutput>>;
}

/** A sensitive output keeps only the keyed hash of its value. */
export type RecordedOutput = { readonly value: Json } | { readonly sensitive: string };
