// Versions of Cloud Hypervisor, and which of them knows what. Pure data; the rest of the driver asks here.

/** A release of Cloud Hypervisor; builds between two releases count as the older one. */
export interface Version {
  readonly major: number;
  readonly minor: number;
}

/** The oldest release that this driver speaks to. */
export const oldestVersion: Version = { major: 34, minor: 0 };

/** The newest release whose behaviour is known; newer ones are taken to behave like it. */
export const newestVersion: Version = { major: 53, minor: 0 };

/**
 * Reads what `cloud-hypervisor --version` prints, or a bare number: `cloud-hypervisor v53.0`, `v53.0-246-gHASH-dirty`, `v47.0.0`.
 * Only the first line counts. Gives undefined for anything else.
 */
export function parseVersion(text: string): Version | undefined {
  const match = /^(?:cloud-hypervisor\s+)?v?(\d{1,4})\.(\d{1,4})(?![\d])/.exec(text.trim());
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]) };
}

/** As people say it: `53.0`. */
export function formatVersion(version: Version): string {
  return `${version.major}.${version.minor}`;
}

/** Whether a version is this release or a later one. */
export function isAtLeast(version: Version, major: number, minor = 0): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** What a version knows that an older one would ignore without a word, or answer differently. Source: release notes. */
export interface Features {
  /** `disks[].serial` */
  readonly diskSerial: boolean;
  /** A second vCPU removal is refused while one is pending, instead of hanging */
  readonly cpuRemovalGuard: boolean;
  /** Kernels in bzImage form boot; older releases need an ELF with a PVH note */
  readonly bzImage: boolean;
  /** `disks[].image_type` and `backing_files`; what is not named is detected, and sector 0 of a detected raw disk is read-only */
  readonly imageType: boolean;
  /** `vm.resize-disk` */
  readonly diskResize: boolean;
  /** The same without io_uring too: before, the kernel or a build without it leaves the VMM with "Unsupported operation" */
  readonly diskResizeAnyway: boolean;
  /** `vm.resize-disk` of qcow2 images */
  readonly qcow2Resize: boolean;
  /** `platform.system_uuid`; its old name `uuid` is an alias that may go, and unknown fields are ignored without a word */
  readonly systemUuid: boolean;
  /** `vm.remove-device` may be asked again for a device that the guest keeps: a busy guest can miss the first request */
  readonly removalRepeats: boolean;
  /** `memory_actual_size` counts what the guest has really plugged; before, it repeats the request */
  readonly actualMemory: boolean;
}

/** The features of a version. */
export function featuresOf(version: Version): Features {
  return {
    diskSerial: isAtLeast(version, 35),
    cpuRemovalGuard: isAtLeast(version, 35),
    bzImage: isAtLeast(version, 39),
    imageType: isAtLeast(version, 50, 1),
    diskResize: isAtLeast(version, 50),
    diskResizeAnyway: isAtLeast(version, 52),
    qcow2Resize: isAtLeast(version, 51),
    systemUuid: isAtLeast(version, 53),
    removalRepeats: isAtLeast(version, 54),
    actualMemory: isAtLeast(version, 52),
  };
}
