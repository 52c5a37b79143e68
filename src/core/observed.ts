// What the host shows now: the planner's third input. Read by the engine, plain data here.
import type { Address } from './address.ts';
import type { Connectivity } from './state/attrs.ts';

/** What a VM's process and socket say. Disk and NIC ids are the device names of the file. */
export type VmObservation =
  /** No process and no leftovers: never started, stopped by sbx, or removed */
  | { readonly state: 'absent' }
  /** The guest powered itself off and its VMM ended cleanly */
  | { readonly state: 'exited' }
  /** The VMM is gone without a clean end: no process of it is left */
  | { readonly state: 'dead'; readonly reason: string }
  /** The VMM lives and answers, but no guest runs in it: shut down or deleted over its socket, panicked */
  | { readonly state: 'halted'; readonly reason: string }
  /** The VMM lives and its socket is gone: its guest runs on, out of reach */
  | { readonly state: 'lost'; readonly reason: string }
  /** A process that does not answer, or answers nonsense; `atWork`: its guest runs or cannot for now, so that it is left alone */
  | { readonly state: 'unresponsive'; readonly reason: string; readonly atWork?: true }
  /** The VMM holds the guest since a write to a disk failed; it goes on where it was when there is room again */
  | (VmShape & { readonly state: 'blocked'; readonly reason: string })
  | (VmShape & { readonly state: 'running' | 'paused' });

/** Whether ending the VM ends a guest, as far as anybody can tell: what cannot be asked is taken to run. */
export function holdsGuest({ state }: VmObservation): boolean {
  switch (state) {
    case 'running':
    case 'paused':
    case 'blocked':
    case 'lost':
    case 'unresponsive':
      return true;
    case 'absent':
    case 'exited':
    case 'dead':
    case 'halted':
      return false;
  }
}

/** Whether a process of the VM lives that must end before the VM counts as stopped. */
export function hasProcess(observation: VmObservation): boolean {
  return observation.state === 'halted' || holdsGuest(observation);
}

/** What a living VMM says of its VM. */
export interface VmShape {
  readonly cpus: number;
  readonly cpusMax: number;
  readonly memoryBytes: number;
  readonly memoryMaxBytes: number;
  /** Disk name → size in `bytes` as far as known, else null */
  readonly disks: Readonly<Record<string, number | null>>;
  /** NIC name → MAC address */
  readonly nics: Readonly<Record<string, string>>;
}

/** The namespace of the sandbox and what lives in it. */
/** The file of a lease: its end in `ms` since the epoch, `none` where it says that there is no end, `absent` without the file, `damaged` when it is not as sbx writes it */
export type LeaseObservation = number | 'none' | 'absent' | 'damaged';

export interface SandboxObservation {
  readonly namespace: 'present' | 'absent';
  readonly holder: 'present' | 'absent';
  readonly uplink: 'present' | 'absent';
  /** Left out where nobody looked */
  readonly lease?: LeaseObservation;
  /** Whether our packet filter table is loaded */
  readonly rules: 'present' | 'absent' | 'changed' | 'unknown';
  /** Forwards that the uplink really has: `hostIp:hostPort/protocol→guestIp:guestPort` */
  readonly forwards: readonly string[];
  /** Interface name → what it is */
  readonly links: Readonly<
    Record<string, { readonly kind: 'bridge' | 'tap' | 'other'; readonly master?: string; readonly up: boolean }>
  >;
}

export interface VolumeObservation {
  readonly present: boolean;
  readonly sizeBytes?: number;
}

export interface ImageObservation {
  /** Digest that the image would have if it were built or read now */
  readonly digest: string;
  /** Whether the cache holds it, whole */
  readonly cached: boolean;
  /** Size of the image's disk in `bytes`, when it has one and is known */
  readonly diskBytes?: number;
  /** What a copy of that disk takes, in `bytes`: holes left out */
  readonly diskUsedBytes?: number;
  /** Size of the file that the disk is packed in, in `bytes`, when it is */
  readonly diskPackedBytes?: number;
  /** What copies of the user's files take in the cache, in `bytes`, where it lacks them */
  readonly takesBytes?: number;
  /** Why it can be neither built nor read, in words for users */
  readonly problem?: string;
}

export interface Observed {
  readonly sandbox: SandboxObservation;
  readonly images: ReadonlyMap<Address, ImageObservation>;
  readonly volumes: ReadonlyMap<Address, VolumeObservation>;
  readonly vms: ReadonlyMap<Address, VmObservation>;
  readonly host: HostFacts;
}

/** What this host has and allows; for admission. */
export interface HostFacts {
  readonly connectivity: Connectivity;
  /** Why not `namespace` */
  readonly connectivityReason?: string;
  /** What to do about it */
  readonly connectivityHint?: string;
  readonly cpus: number;
  readonly memoryAvailableBytes: number;
  readonly diskAvailableBytes: number;
  /** Programs that were looked for and not found, with the package that has them */
  readonly missing: readonly { readonly program: string; readonly package: string; readonly why: string }[];
  /** Host listeners: `0.0.0.0:8080/tcp` */
  readonly listeners: ReadonlySet<string>;
  /** Host ports reserved by other sandboxes of this home: `127.0.0.1:8080/tcp` → who */
  readonly reserved: ReadonlyMap<string, string>;
}
