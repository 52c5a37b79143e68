// What each version of Cloud Hypervisor offers the planner. Pure.
import type { Capabilities } from '../../core/plan/capabilities.ts';
import { type Features, featuresOf, formatVersion, isAtLeast, newestVersion, type Version } from './version.ts';

const mebibyte = 1024 * 1024;

/** Block size of virtio-mem: sizes that are no multiple of it are refused by the VMM (docs/hotplug.md). */
const memoryStepBytes = 2 * mebibyte;

/** vCPUs that every supported release takes (u8 up to v47, and KVM's own limit on x86 before that). */
const cpusMax = 254;

/** Slots of PCI segment 0, less the host bridge, rng, console, vsock and virtio-mem (docs/device_model.md). */
const devicesMax = 27;

/** Capabilities of a version found at `path`. `ioUring`: whether the kernel has it for this user; default yes. */
export function capabilitiesOf(version: Version, path: string, { ioUring = true } = {}): Capabilities {
  const features = featuresOf(version);
  const growsDisks = features.diskResize && (features.diskResizeAnyway || ioUring);
  return {
    driver: 'cloud-hypervisor',
    version: formatVersion(version),
    path,
    acceleration: 'kvm',
    cpuGrow: 'live',
    cpuShrink: features.cpuRemovalGuard ? 'live' : 'restart',
    memoryGrow: 'live',
    memoryShrink: 'live',
    diskAttach: 'live',
    diskDetach: 'live',
    diskGrow: growsDisks ? 'live' : 'restart',
    nicAttach: 'live',
    nicDetach: 'live',
    memoryStepBytes,
    memoryMinBytes: 64 * mebibyte,
    cpusMax,
    devicesMax,
    userNetwork: false,
    notes: [
      ...notesOf(version, features),
      ...(features.diskResize && !growsDisks
        ? ['cannot grow disks of a running VM where the kernel has no io_uring; needs 52.0']
        : []),
    ],
  };
}

/** Releases with faults that a user should hear of, oldest first. Source: release notes and upstream issues of the number given. */
const faults: readonly { readonly from: Version; readonly until: Version; readonly note: string }[] = [
  {
    from: { major: 34, minor: 0 },
    until: { major: 46, minor: 0 },
    note: 'does not lock disk images: nothing of its own stops two VMs from writing to one file',
  },
  {
    from: { major: 34, minor: 0 },
    until: { major: 49, minor: 0 },
    note: 'may crash when a client of its vsock socket leaves early (#6798)',
  },
  {
    from: { major: 50, minor: 2 },
    until: { major: 50, minor: 3 },
    note: 'is known to damage qcow2 disks (#8358); use another release or raw disks',
  },
  {
    from: { major: 52, minor: 0 },
    until: { major: 52, minor: 1 },
    note: 'uses about twice the memory of a VM (#8246) and is known to damage qcow2 disks (#8606); use another release',
  },
];

function notesOf(version: Version, features: Features): readonly string[] {
  const notes = faults
    .filter(
      ({ from, until }) => isAtLeast(version, from.major, from.minor) && !isAtLeast(version, until.major, until.minor),
    )
    .map(({ note }) => note);
  if (!features.imageType)
    notes.push(
      'takes disks for what a guest writes on them: one that you do not trust can read files of this host after a reboot; needs 50.1',
    );
  if (!features.bzImage) notes.push('boots only kernels in ELF form (vmlinux with a PVH note); bzImage needs 39.0');
  if (!features.cpuRemovalGuard) notes.push('cannot take vCPUs away safely; needs 35.0');
  if (!features.diskResize) notes.push('cannot grow disks of a running VM; needs 50.0');
  if (version.major > newestVersion.major) {
    notes.push(`is newer than ${formatVersion(newestVersion)}, the newest release that sbx was tested with`);
  }
  return notes;
}
