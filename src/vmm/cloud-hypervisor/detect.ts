// Looking for Cloud Hypervisor on this host: the binary on PATH, its version, and whether KVM can run it.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describeError } from '../../core/errors.ts';
import type { Detected } from '../../core/plan/capabilities.ts';
import { run } from '../../host/exec.ts';
import { readTextIfThere } from '../../host/files.ts';
import { capabilitiesOf } from './capabilities.ts';
import { formatVersion, isAtLeast, oldestVersion, parseVersion, type Version } from './version.ts';

/** A binary that was asked for its version before; the same file is not asked again. */
export interface KnownBinary {
  readonly path: string;
  readonly mtimeMs: number;
  /** In `bytes` */
  readonly size: number;
  /** As it was parsed: `53.0` */
  readonly version: string;
}

export interface DetectOptions {
  /** The PATH to search */
  readonly path: string;
  readonly known?: KnownBinary;
  /** Says who may use io_uring; default the kernel's own file */
  readonly ioUringPath?: string;
  /** Whether /dev/kvm really runs guests here */
  readonly kvm: () => Promise<{ readonly usable: boolean; readonly reason: string; readonly undecided?: true }>;
}

/** What was found; `binary` is what to pass as `known` next time. */
export type DetectedCloudHypervisor = Detected & { readonly binary?: KnownBinary };

const notThere = (reason: string, hint?: string): DetectedCloudHypervisor & { readonly available: false } => ({
  available: false,
  driver: 'cloud-hypervisor',
  reason,
  ...(hint === undefined ? {} : { hint }),
});

/** Finds Cloud Hypervisor, v34 or newer, where KVM is usable. Never throws; runs `--version` only for a file it does not know. */
export async function detectCloudHypervisor(options: DetectOptions): Promise<DetectedCloudHypervisor> {
  const path = await findOnPath('cloud-hypervisor', options.path);
  if (path === undefined) {
    return notThere(
      'there is no cloud-hypervisor on PATH',
      'Get a release from https://github.com/cloud-hypervisor/cloud-hypervisor',
    );
  }
  const [binary, kvm] = await Promise.all([identify(path, options.known), options.kvm()]);
  if (typeof binary === 'string') return notThere(binary);
  const version = parseVersion(binary.version) ?? oldestVersion;
  if (!isAtLeast(version, oldestVersion.major)) {
    return {
      ...notThere(
        `${path} is version ${binary.version}, which is too old`,
        `Install ${formatVersion(oldestVersion)} or newer.`,
      ),
      binary,
    };
  }
  const ioUring = await mayUseIoUring(options.ioUringPath ?? '/proc/sys/kernel/io_uring_disabled');
  const capabilities = capabilitiesOf(version, path, { ioUring });
  if (kvm.usable) return { available: true, capabilities, binary };
  const undecided = kvm.undecided === true ? { undecided: true as const } : {};
  return { ...notThere(`Cloud Hypervisor needs KVM: ${kvm.reason}`), ...undecided, capabilities, binary };
}

/** Documentation/admin-guide/sysctl/kernel.rst: 2 is nobody, 1 is root and one group; kernels before 6.6 have no such file. */
async function mayUseIoUring(path: string): Promise<boolean> {
  const disabled = (await readTextIfThere(path))?.trim() ?? '0';
  return disabled === '0' || (disabled === '1' && process.geteuid?.() === 0);
}

/** The file and its version, or why it has none. */
async function identify(path: string, known: KnownBinary | undefined): Promise<KnownBinary | string> {
  try {
    const { mtimeMs, size } = await stat(path);
    if (known !== undefined && known.path === path && known.mtimeMs === mtimeMs && known.size === size) return known;
    const version = await readVersion(path);
    if (version === undefined) return `${path} --version says nothing that is understood`;
    return { path, mtimeMs, size, version: formatVersion(version) };
  } catch (error) {
    return `${path} cannot be asked for its version: ${describeError(error)}`;
  }
}

async function readVersion(path: string): Promise<Version | undefined> {
  // Later lines are about migration protocols (since v53).
  const said = await run([path, '--version'], { timeoutMs: 10_000 });
  return parseVersion(said.split('\n')[0] ?? '');
}

async function findOnPath(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (!folder.startsWith('/')) continue;
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      if ((await stat(candidate)).isFile()) return candidate;
    } catch {
      // Not in this folder, or not executable: the next one.
    }
  }
  return undefined;
}
