// The table of drivers: how each is found on this host and opened.
import { canonicalJson } from '../core/json.ts';
import { type Capabilities, type Detected, type DriverName, driverNames } from '../core/plan/capabilities.ts';
import { type KvmOptions, type KvmPolicy, type KvmVerdict, probeKvm } from '../host/kvm.ts';
import { findProgram } from '../host/programs.ts';
import { capabilitiesOf } from './cloud-hypervisor/capabilities.ts';
import { detectCloudHypervisor } from './cloud-hypervisor/detect.ts';
import { createCloudHypervisorDriver } from './cloud-hypervisor/driver.ts';
import { newestVersion, oldestVersion, parseVersion } from './cloud-hypervisor/version.ts';
import type { VmmDriver } from './driver.ts';
import { fullVersion, minimumVersion, qemuCapabilities } from './qemu/capabilities.ts';
import { detectQemu, qemuProgram } from './qemu/detect.ts';
import { createQemuDriver } from './qemu/driver.ts';

/** A binary that was asked for its version before; the same file is not asked again. */
export interface KnownBinary {
  readonly path: string;
  readonly mtimeMs: number;
  /** In `bytes` */
  readonly size: number;
  readonly version: string;
}

/** What is worth keeping between runs, so that a plan starts no program; all of it is checked before it is believed. */
export interface KnownVmms {
  readonly kvm?: KvmVerdict;
  readonly binaries: Readonly<Partial<Record<DriverName, KnownBinary>>>;
}

export interface DetectOptions {
  /** The PATH to search */
  readonly path: string;
  readonly kvmPolicy: KvmPolicy;
  /** The file that a test guest runs */
  readonly kvmFirmware: string;
  /** Another host's KVM, for tests */
  readonly kvmProbe?: Pick<KvmOptions, 'devicePath' | 'cpuinfoPath' | 'limitMs'>;
  readonly known?: KnownVmms;
  /** Told what was found out about KVM, when that was asked */
  readonly told?: (verdict: KvmVerdict) => void;
  /** Told what to pass as `known` next time, when that is not what was passed */
  readonly remember?: (known: KnownVmms) => void;
}

interface DriverEntry {
  readonly detect: (options: {
    readonly path: string;
    readonly known?: KnownBinary;
    readonly kvm: () => Promise<KvmVerdict>;
  }) => Promise<Detected & { readonly binary?: KnownBinary }>;
  readonly open: (capabilities: Capabilities) => VmmDriver;
  /** For looking at and ending VMs of a binary that is not there any more */
  readonly nominal: Capabilities;
  /** The same, when the version is known that runs them */
  readonly recorded: (version: string) => Capabilities;
  /** The newest release that is known, with KVM: for plans without a host */
  readonly reference: Capabilities;
}

const table: Readonly<Record<DriverName, DriverEntry>> = {
  'cloud-hypervisor': {
    detect: detectCloudHypervisor,
    open: createCloudHypervisorDriver,
    nominal: capabilitiesOf(oldestVersion, 'cloud-hypervisor'),
    recorded: (version) => capabilitiesOf(parseVersion(version) ?? oldestVersion, 'cloud-hypervisor'),
    reference: capabilitiesOf(newestVersion, 'cloud-hypervisor'),
  },
  qemu: {
    detect: ({ path, ...rest }) => detectQemu({ path: findProgram(qemuProgram, path), ...rest }),
    open: createQemuDriver,
    nominal: qemuCapabilities(qemuProgram, minimumVersion, 'tcg'),
    recorded: (version) => qemuCapabilities(qemuProgram, version, 'tcg'),
    reference: qemuCapabilities(qemuProgram, fullVersion, 'kvm'),
  },
};

/** Looks for every driver, in the order in which `auto` prefers them. Never throws. */
export async function detectDrivers(options: DetectOptions): Promise<readonly Detected[]> {
  const { known } = options;
  let verdict: Promise<KvmVerdict> | undefined;
  const kvm = () => {
    const qemuPath = findProgram(qemuProgram, options.path);
    verdict ??= probeKvm({
      policy: options.kvmPolicy,
      firmware: options.kvmFirmware,
      ...(qemuPath === undefined ? {} : { qemuPath }),
      ...options.kvmProbe,
      ...(known?.kvm === undefined ? {} : { known: known.kvm }),
    });
    return verdict;
  };
  const found = await Promise.all(
    driverNames.map((name) => {
      const binary = known?.binaries[name];
      return table[name].detect({ path: options.path, kvm, ...(binary === undefined ? {} : { known: binary }) });
    }),
  );
  const binaries = Object.fromEntries(
    driverNames.flatMap((name, index) => {
      const binary = found[index]?.binary;
      return binary === undefined ? [] : [[name, binary]];
    }),
  );
  const settled = await verdict;
  if (settled !== undefined) options.told?.(settled);
  // What a switch said is no finding, and neither is a test that was not finished.
  const finding = settled === undefined || options.kvmPolicy !== 'probe' ? known?.kvm : settled;
  const kept = finding?.undecided === true ? undefined : finding;
  const learned = { binaries, ...(kept === undefined ? {} : { kvm: kept }) };
  if (canonicalJson(learned) !== canonicalJson(known)) options.remember?.(learned);
  return found.map(({ binary: _binary, ...detected }) => detected);
}

/** What a driver can do at best, for plans that look at no host. */
export function referenceCapabilities(name: DriverName): Capabilities {
  return table[name].reference;
}

/** What a driver can do of which only the version that runs a VM is known, for VMs whose program is not there any more. */
export function recordedCapabilities(name: DriverName, version: string | undefined): Capabilities {
  return version === undefined ? table[name].nominal : table[name].recorded(version);
}

/** Opens the driver of a binary that was found. */
export function openDriver(capabilities: Capabilities): VmmDriver {
  return table[capabilities.driver].open(capabilities);
}

/**
 * Opens all drivers. One whose binary is not available still observes and stops the VMs that it runs, over their
 * sockets; it cannot start any.
 */
export function openDrivers(detected: readonly Detected[]): Readonly<Record<DriverName, VmmDriver>> {
  const open = (name: DriverName): VmmDriver => {
    const found = detected.find((one) => one.available && one.capabilities.driver === name);
    return openDriver(found?.available === true ? found.capabilities : table[name].nominal);
  };
  return { 'cloud-hypervisor': open('cloud-hypervisor'), qemu: open('qemu') };
}
