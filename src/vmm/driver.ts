// The driver interface: everything above src/vmm knows VMMs only through it.
import type { Duplex } from 'node:stream';
import type { PublishedPort } from '../core/desired.ts';
import type { VmObservation } from '../core/observed.ts';
import type { Capabilities, DriverName } from '../core/plan/capabilities.ts';
import type { ProcessRef } from '../core/state/facts.ts';

/** A VM as a driver needs it: paths instead of images, taps instead of networks. */
export interface VmSpec {
  /** For people who look at processes: `sbx-shop-web.0`; no comma, no blank */
  readonly name: string;
  readonly uuid: string;
  readonly paths: VmPaths;
  readonly kernel: string;
  readonly initrd?: string;
  readonly cmdline: string;
  readonly cpus: { readonly count: number; readonly max: number };
  readonly memory: { readonly sizeBytes: number; readonly maxBytes: number };
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
}

/** Folders of one VM, absolute; they exist, mode 0700. Sockets get short names inside `run`. */
export interface VmPaths {
  /** Sockets, pid file */
  readonly run: string;
  /** Disks, seed, logs: `serial.log` (the guest's serial console since this start; the one before is `serial.log.1`), `vmm.log` (the VMM's stderr), `events.log` */
  readonly data: string;
}

export interface DiskSpec {
  /** Device name of the file, also the serial that the guest sees; [a-z][a-z0-9-]*, at most 20 */
  readonly id: string;
  readonly path: string;
  /** The only one: in a raw file nothing that a guest writes can name another file */
  readonly format: 'raw';
  readonly readonly: boolean;
}

export interface NicSpec {
  readonly id: string;
  readonly mac: string;
  readonly connection: /** An existing persistent tap in the namespace that the VMM is started in */
    | { readonly type: 'tap'; readonly ifname: string }
    /** The VMM's own user network (QEMU only) */
    | {
        readonly type: 'user';
        /** Nothing leads out of it: neither to the world nor to this host. Ports lead in all the same */
        readonly isolated: boolean;
        readonly forwards: readonly PublishedPort[];
        /** The guest's own address, so that the user network takes its subnet; else 10.0.2.0/24 with DHCP */
        readonly guest?: { readonly ip: string; readonly prefix: number; readonly gateway: string };
      };
}

/** How to start processes for a VM. */
export interface StartContext {
  /** Turns a command into one that runs inside the sandbox's namespace */
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly signal: AbortSignal;
}

/** What identifies a VM's process to its driver. */
export interface VmRef {
  readonly paths: VmPaths;
  /** Absent when a crash lost it: the driver then finds it by its exact socket path in /proc */
  readonly process?: ProcessRef;
}

/** What a start answers. */
export interface Started {
  readonly process: ProcessRef;
}

/** How to look at a VM. */
export interface ObserveOptions {
  /** Waits three times as long for one that is silent: before it is ended for that */
  readonly patient?: boolean;
}

/**
 * One kind of VMM. All operations are idempotent or can tell that they already happened; all take their own time limits;
 * a failure is an SbxError with a code SBX5xxx. No operation repeats a request whose outcome it does not know.
 */
export interface VmmDriver {
  readonly name: DriverName;
  readonly capabilities: Capabilities;

  /** Process, create, boot: a guest whose kernel runs. A failure leaves no process and no socket behind. */
  start(spec: VmSpec, context: StartContext): Promise<Started>;
  /** Reads process and socket. Never throws for what a VM can be in; cheap enough for thousands in parallel. */
  observe(ref: VmRef, options?: ObserveOptions): Promise<VmObservation>;
  /** Asks the guest to power off, waits `graceMs`, then ends the VMM; at the end no process and no socket is left. */
  stop(ref: VmRef, graceMs: number, signal: AbortSignal): Promise<void>;
  pause(ref: VmRef): Promise<void>;
  resume(ref: VmRef): Promise<void>;

  /** Sets the vCPU count of a running VM, within the maximum it was started with. */
  resizeCpus(ref: VmRef, count: number): Promise<void>;
  /** Sets the memory of a running VM; resolves when the VMM reports it, or fails saying how far it came. */
  resizeMemory(ref: VmRef, sizeBytes: number): Promise<void>;
  attachDisk(ref: VmRef, disk: DiskSpec): Promise<void>;
  /** Resolves when the guest has let go; 204-and-wait is inside. */
  detachDisk(ref: VmRef, id: string): Promise<void>;
  /** Tells a running VM that the file behind a disk is to have this size. Never shrinks. */
  growDisk(ref: VmRef, id: string, sizeBytes: number): Promise<void>;
  attachNic(ref: VmRef, nic: NicSpec): Promise<void>;
  detachNic(ref: VmRef, id: string): Promise<void>;

  /** A fresh byte stream to the guest agent's port; the caller closes it. Fails with SBX8001 when nobody listens. */
  openAgent(ref: VmRef): Promise<Duplex>;
  /** A byte stream to the guest's interactive console, or where a terminal can attach to it. */
  openConsole(ref: VmRef): Promise<Duplex>;
  /** Kernel command line words that make the console and agent of this driver work, such as `console=ttyS0`. */
  readonly consoleCmdline: string;
}
