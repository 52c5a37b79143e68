// What the file says, after expansion: complete, checked, free of references and templates.
import type { Address } from './address.ts';
import type { Place } from './diagnostic.ts';
import type { Json } from './json.ts';

/** A string that may come from a sensitive variable; sensitive values never reach a plan, state, log or event. */
export interface Text {
  readonly value: string;
  readonly sensitive: boolean;
}

/** Everything one sandbox file declares. */
export interface Desired {
  /** `name:` of the file */
  readonly name: string;
  readonly instance?: string;
  /** Absolute folder of the first file */
  readonly folder: string;
  /** Lease, in `ms` from the last apply */
  readonly expiresMs?: number;
  /** Keyed by address in order of declaration; holds `sandbox` first, always */
  readonly resources: ReadonlyMap<Address, DesiredResource>;
  readonly outputs: ReadonlyMap<string, Output>;
}

export interface Output {
  readonly value: Json;
  readonly sensitive: boolean;
}

export type DesiredResource = DesiredSandbox | DesiredImage | DesiredVolume | DesiredNetwork | DesiredVm;

interface DesiredCommon {
  readonly address: Address;
  /** Where it is declared, for diagnostics that the planner makes; looked up on demand, since positions are costly */
  readonly place?: () => Place | undefined;
}

/** The namespace, holder, lease, uplink and published ports; derived from the rest of the file. */
export interface DesiredSandbox extends DesiredCommon {
  readonly kind: 'sandbox';
  readonly expiresMs?: number;
}

export interface DesiredImage extends DesiredCommon {
  readonly kind: 'image';
  readonly source: ImageSource;
}

export type ImageSource =
  /** A recipe folder under images/ of sbx itself */
  | { readonly type: 'build'; readonly recipe: string }
  /** The user's own files, absolute paths that lie in an allowed folder */
  | {
      readonly type: 'files';
      readonly kernel: string;
      readonly initrd?: string;
      readonly cmdline?: string;
      readonly disk?: string;
    };

export interface DesiredVolume extends DesiredCommon {
  readonly kind: 'volume';
  readonly sizeBytes: number;
  readonly protect: boolean;
}

export interface DesiredNetwork extends DesiredCommon {
  readonly kind: 'network';
  readonly mode: 'nat' | 'isolated';
  /** IPv4 CIDR such as `10.68.0.0/24` */
  readonly subnet: string;
  /** First host address of the subnet; the bridge has it */
  readonly gateway: string;
}

export interface DesiredVm extends DesiredCommon {
  readonly kind: 'vm';
  readonly image: Address;
  /** Appended to the command line of the image */
  readonly cmdline?: string;
  readonly hostname: string;
  readonly cpus: { readonly count: number; readonly max: number };
  readonly memory: { readonly sizeBytes: number; readonly maxBytes: number };
  /** Keyed by device name */
  readonly disks: ReadonlyMap<string, DesiredDisk>;
  /** Keyed by network name */
  readonly nics: ReadonlyMap<string, DesiredNic>;
  readonly env: ReadonlyMap<string, Text>;
  readonly state: 'running' | 'stopped';
  readonly onExit: 'restart' | 'keep';
  /** Absent: nobody waits for it */
  readonly ready?: Ready;
  /** Whether the file says nothing about it, so that its image decided */
  readonly readyByDefault: boolean;
  readonly dependsOn: readonly { readonly address: Address; readonly until: 'started' | 'ready' }[];
  readonly lifecycle: Lifecycle;
}

export type DesiredDisk =
  /** The image's disk, private to the VM; `sizeBytes` absent means the image's own size */
  | { readonly type: 'root'; readonly sizeBytes?: number }
  /** An empty disk that lives and dies with the VM */
  | { readonly type: 'scratch'; readonly sizeBytes: number }
  | { readonly type: 'volume'; readonly volume: Address; readonly readonly: boolean };

export interface DesiredNic {
  readonly network: Address;
  /** IPv4 address without prefix */
  readonly ip: string;
  /** Prefix length of the network */
  readonly prefix: number;
  readonly gateway: string;
  readonly mac: string;
  readonly ports: readonly PublishedPort[];
}

/** A port of the host that leads to a port of a guest. */
export interface PublishedPort {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** When a VM counts as ready. */
export type Ready = { readonly timeoutMs: number } & (
  | { readonly type: 'boot' }
  | { readonly type: 'tcp'; readonly port: number }
  | { readonly type: 'http'; readonly port: number; readonly path: string }
  | { readonly type: 'exec'; readonly argv: readonly string[] }
);

export interface Lifecycle {
  readonly preventDestroy: boolean;
  /** Field paths such as `memory.size` */
  readonly ignoreChanges: readonly string[];
  /** A change of one of these replaces the VM */
  readonly replaceTriggeredBy: readonly Address[];
}

/** What earlier applies chose for values the file leaves open, so that they stay; read from the state at the rim. */
export interface Allocations {
  /** `${vmAddress}/${networkName}` → IPv4 address */
  readonly addresses: ReadonlyMap<string, string>;
  /** network address → CIDR */
  readonly subnets: ReadonlyMap<Address, string>;
  /** `${vmAddress}/${networkName}/${guestPort}/${protocol}` → host port */
  readonly ports: ReadonlyMap<string, number>;
  /** What differs between sandboxes, so that two that are planned at once do not pick the same ports */
  readonly salt?: string;
  /** Whether `auto` may not take this host port: `${hostIp}:${port}/${protocol}` */
  readonly portTaken: (hostIp: string, port: number, protocol: 'tcp' | 'udp') => boolean;
}
