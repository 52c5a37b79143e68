// What a driver can do on this host, as data for the planner.

export const driverNames = ['cloud-hypervisor', 'qemu'] as const;
export type DriverName = (typeof driverNames)[number];

/** How a change of a field of a running VM takes effect with a driver. */
export type Effect = 'live' | 'restart';

/** A driver on this host: found, probed, and what it offers. */
export interface Capabilities {
  readonly driver: DriverName;
  /** As users say it: `53.0`, `7.2.22` */
  readonly version: string;
  /** Absolute path of the binary */
  readonly path: string;
  readonly acceleration: 'kvm' | 'tcg';
  readonly cpuGrow: Effect;
  readonly cpuShrink: Effect;
  readonly memoryGrow: Effect;
  readonly memoryShrink: Effect;
  readonly diskAttach: Effect;
  readonly diskDetach: Effect;
  readonly diskGrow: Effect;
  readonly nicAttach: Effect;
  readonly nicDetach: Effect;
  /** Sizes of memory must be multiples of this, in `bytes` */
  readonly memoryStepBytes: number;
  readonly memoryMinBytes: number;
  readonly cpusMax: number;
  /** Most hot-pluggable disks and NICs together */
  readonly devicesMax: number;
  /** Whether the VMM brings its own user network where namespaces are forbidden */
  readonly userNetwork: boolean;
  /** Things worth telling about this version, such as known bad releases */
  readonly notes: readonly string[];
}

/** The outcome of looking for one driver. */
export type Detected =
  | { readonly available: true; readonly capabilities: Capabilities }
  | {
      readonly available: false;
      readonly driver: DriverName;
      readonly reason: string;
      readonly hint?: string;
      /** It may be there all the same: the question was not answered this time */
      readonly undecided?: true;
      /** What it would offer, where its program is there */
      readonly capabilities?: Capabilities;
    };
