// What `status` and `show` tell, as data: filled by the engine's side, rendered as text and as JSON here.
import type { Address } from '../address.ts';
import type { PublishedPort } from '../desired.ts';
import type { Json } from '../json.ts';
import type { Drift } from '../plan/plan.ts';
import type { ResourceRecord } from '../state/state.ts';

/** Whoever holds the lock of a sandbox. */
export interface LockHolder {
  readonly pid: number;
  readonly user: string;
  readonly command: string;
  /** Wall clock in `ms` since the epoch */
  readonly sinceMs?: number;
}

export const vmStates = [
  'running',
  'paused',
  'stopped',
  'exited',
  'dead',
  'halted',
  'lost',
  'blocked',
  'unresponsive',
  'creating',
  'deleting',
  'missing',
] as const;

/** How a VM is; `creating` and `deleting` are what an apply left unfinished, `missing` is declared or recorded without a process. */
export type VmState = (typeof vmStates)[number];

export interface VmStatus {
  readonly address: Address;
  readonly state: VmState;
  /** Why it is neither running nor off by itself */
  readonly reason?: string;
  /** Set by `sbx stop` */
  readonly hold?: boolean;
  readonly nics: readonly { readonly network: string; readonly ip: string }[];
  readonly ports: readonly PublishedPort[];
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly uptimeMs?: number;
  /** Fields that differ from what is recorded */
  readonly drift: readonly string[];
}

/** One sandbox of a home, by what is recorded of it and which of its processes live. */
export interface SandboxSummary {
  readonly sandbox: { readonly name: string; readonly instance?: string };
  /** Folder that its file came from; absent when its state cannot be read or its first apply has not ended */
  readonly folder?: string;
  readonly vms: { readonly running: number; readonly total: number };
  /** Time until the lease ends in `ms`; absent without a lease */
  readonly leaseMs?: number;
  readonly busy?: LockHolder;
  /** Why its state cannot be read */
  readonly problem?: string;
}

/** Every sandbox of a home. */
export interface HomeReport {
  readonly sandboxes: readonly SandboxSummary[];
}

/** The live table of one sandbox. */
export interface StatusReport {
  readonly sandbox: { readonly name: string; readonly instance?: string };
  /** False when nothing was ever applied */
  readonly applied: boolean;
  readonly driver?: { readonly name: string; readonly version: string; readonly acceleration: 'kvm' | 'tcg' };
  /** Time until the lease ends in `ms`; absent without a lease */
  readonly leaseMs?: number;
  readonly busy?: LockHolder;
  /** Why only sockets tell of it: its processes cannot be seen from here */
  readonly unseen?: string;
  readonly vms: readonly VmStatus[];
  /** Everything but VMs that drifted, such as a holder that is gone */
  readonly drift: readonly Drift[];
}

/** One resource with both sides. */
export interface ShownResource {
  readonly record: ResourceRecord;
  /** What the host shows now; null where there is nothing to observe */
  readonly observed: Json;
  readonly drift: readonly Drift[];
}

/** Recorded and observed, whole. */
export interface ShowReport {
  readonly sandbox: { readonly name: string; readonly instance?: string };
  readonly lineage: string;
  readonly serial: number;
  readonly folder: string;
  readonly files: readonly string[];
  readonly resources: readonly ShownResource[];
}

/** One thing that doctor looked at. */
export interface DoctorCheck {
  /** A noun phrase: `KVM`, `user namespaces` */
  readonly name: string;
  /** `missing` keeps sbx from working, `limited` costs something, `ok` is fine */
  readonly status: 'ok' | 'limited' | 'missing';
  readonly detail: string;
  /** What to do; a command stands alone on its line */
  readonly hint?: string;
}

/** One image of the cache. */
export interface CachedImage {
  readonly name: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Wall clock in `ms` since the epoch */
  readonly builtAtMs?: number;
  /** Sandboxes of this home that use it */
  readonly usedBy: readonly string[];
}
