// The parts of Cloud Hypervisor's wire format that this driver sends and reads. Source: its OpenAPI file and vm_config.rs.

/** Body of `vm.create`; only what this driver sets. */
export interface VmConfig {
  readonly cpus: { readonly boot_vcpus: number; readonly max_vcpus: number };
  readonly memory: {
    readonly size: number;
    readonly hotplug_method?: 'VirtioMem';
    readonly hotplug_size?: number;
  };
  readonly payload: { readonly kernel: string; readonly cmdline: string; readonly initramfs?: string };
  readonly disks?: readonly DiskConfig[];
  readonly net?: readonly NetConfig[];
  readonly rng: { readonly src: string };
  readonly serial: { readonly mode: 'File'; readonly file: string };
  readonly console: { readonly mode: 'Pty' | 'Off' };
  readonly vsock: { readonly cid: number; readonly socket: string; readonly id: string };
  readonly platform: {
    /** Up to v52 */
    readonly uuid?: string;
    /** Since v53 */
    readonly system_uuid?: string;
    readonly oem_strings?: readonly string[];
  };
}

/** Body of `vm.add-disk`, and a member of `disks`. */
export interface DiskConfig {
  readonly id: string;
  readonly path: string;
  readonly readonly: boolean;
  readonly direct: false;
  readonly serial?: string;
  readonly image_type?: 'Raw';
}

/** Body of `vm.add-net`, and a member of `net`. */
export interface NetConfig {
  readonly id: string;
  readonly tap: string;
  readonly mac: string;
  readonly num_queues: 2;
}

/** What is read of a `vm.info` reply; everything may be absent or null, since releases differ in it. */
export interface VmInfo {
  readonly state: string;
  readonly cpus: number;
  readonly cpusMax: number;
  /** Boot size in `bytes` */
  readonly memorySize: number;
  readonly hotplugSize: number;
  readonly hotpluggedSize: number;
  /** `memory_actual_size`, absent when the reply has none */
  readonly memoryActual: number | undefined;
  readonly disks: readonly {
    readonly id: string;
    readonly path: string | undefined;
    readonly imageType: string | undefined;
  }[];
  readonly nets: readonly { readonly id: string; readonly mac: string }[];
  readonly oemStrings: readonly string[];
  /** Path of the console's pseudo-terminal */
  readonly consolePty: string | undefined;
  /** Ids that the device tree still holds; a removed device leaves it when the guest lets go */
  readonly devices: { readonly has: (id: string) => boolean };
}
