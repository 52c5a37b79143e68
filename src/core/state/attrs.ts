// Recorded attributes per kind: desired values in comparable, serializable form. Sensitive text is a keyed hash.
import type { Address } from '../address.ts';
import type { ImageSource, Lifecycle, PublishedPort, Ready } from '../desired.ts';

/** Text as it is recorded: itself, or the keyed hash of a sensitive value. */
export type RecordedText = string | { readonly sensitive: string };

/** A published port with the guest end that it leads to. */
export interface Forward extends PublishedPort {
  readonly vm: Address;
  readonly network: string;
  readonly guestIp: string;
}

/** Of how the sandbox is connected: its own namespace, or QEMU's per-VM user network where namespaces are forbidden. */
export type Connectivity = 'namespace' | 'user-net';

export interface SandboxAttrs {
  readonly connectivity: Connectivity;
  /** Lease in `ms`, null for none */
  readonly expiresMs: number | null;
  /** Whether a network of mode nat needs the uplink */
  readonly uplink: boolean;
  /** Networks as the packet filter knows them */
  readonly networks: Readonly<Record<string, { readonly mode: 'nat' | 'isolated'; readonly subnet: string }>>;
  readonly forwards: readonly Forward[];
}

export interface ImageAttrs {
  readonly source: ImageSource;
  /** Digest of the recipe's inputs, or of the files' content */
  readonly digest: string;
}

export interface VolumeAttrs {
  readonly sizeBytes: number;
  readonly protect: boolean;
}

export interface NetworkAttrs {
  readonly mode: 'nat' | 'isolated';
  readonly subnet: string;
  readonly gateway: string;
}

export interface VmAttrs {
  readonly image: Address;
  /** Digest of the image it booted from */
  readonly imageDigest: string;
  readonly cmdline: string;
  readonly hostname: string;
  readonly cpus: { readonly count: number; readonly max: number };
  readonly memory: { readonly sizeBytes: number; readonly maxBytes: number };
  readonly disks: Readonly<Record<string, DiskAttrs>>;
  readonly nics: Readonly<Record<string, NicAttrs>>;
  readonly env: Readonly<Record<string, RecordedText>>;
  readonly state: 'running' | 'stopped';
  /** Set by `sbx stop`: stopped although the file says running, until `sbx start` */
  readonly hold: boolean;
  readonly onExit: 'restart' | 'keep';
  readonly ready: Ready | null;
  readonly lifecycle: Lifecycle;
  /** Driver that runs it, since a driver change replaces the process */
  readonly driver: 'cloud-hypervisor' | 'qemu';
}

export type DiskAttrs =
  | { readonly type: 'root'; readonly sizeBytes: number | null }
  | { readonly type: 'scratch'; readonly sizeBytes: number }
  | { readonly type: 'volume'; readonly volume: Address; readonly sizeBytes: number; readonly readonly: boolean };

export interface NicAttrs {
  readonly network: Address;
  readonly ip: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly mac: string;
  /** Ports published by the VMM itself; only with connectivity `user-net` */
  readonly forwards: readonly PublishedPort[];
  /** Whether the VMM itself keeps it from leading out; only with connectivity `user-net` */
  readonly isolated?: true;
}
