// Looking for QEMU on this host: the binary, its version, and what accelerates it.
import { stat } from 'node:fs/promises';
import { describeError } from '../../core/errors.ts';
import type { Detected } from '../../core/plan/capabilities.ts';
import { run } from '../../host/exec.ts';
import { minimumVersion, qemuCapabilities } from './capabilities.ts';
import { versionPair } from './layout.ts';

/** Name of the program. */
export const qemuProgram = 'qemu-system-x86_64';

/** A binary that was asked for its version before; the same file is not asked again. */
export interface KnownQemu {
  readonly path: string;
  readonly mtimeMs: number;
  /** In `bytes` */
  readonly size: number;
  /** `7.2.22` */
  readonly version: string;
}

export interface DetectQemuOptions {
  /** Absolute path of `qemu-system-x86_64`; absent when this host has none */
  readonly path: string | undefined;
  readonly known?: KnownQemu;
  /** Whether KVM really runs guests here; else they are emulated */
  readonly kvm: () => Promise<{ readonly usable: boolean; readonly reason: string; readonly undecided?: true }>;
}

/** What was found; `binary` is what to pass as `known` next time. */
export type DetectedQemu = Detected & { readonly binary?: KnownQemu };

/** Finds QEMU 6.2 or newer. Never throws; runs `--version` only for a file it does not know. */
export async function detectQemu(options: DetectQemuOptions): Promise<DetectedQemu> {
  if (options.path === undefined)
    return notThere(`there is no ${qemuProgram} on PATH`, 'sudo apt-get install qemu-system-x86 qemu-utils');
  const [binary, kvm] = await Promise.all([identify(options.path, options.known), options.kvm()]);
  if (typeof binary === 'string') return notThere(binary);
  if (isOlder(binary.version, minimumVersion)) {
    const reason = `${binary.path} is version ${binary.version}, which is too old`;
    return { ...notThere(reason, `install QEMU ${minimumVersion} or newer`), binary };
  }
  const capabilities = qemuCapabilities(binary.path, binary.version, kvm.usable ? 'kvm' : 'tcg');
  const open = kvm.undecided === true ? [`emulates what it starts now: of KVM, ${kvm.reason}`] : [];
  return { available: true, capabilities: { ...capabilities, notes: [...capabilities.notes, ...open] }, binary };
}

/** Version in the first line of `qemu-system-x86_64 --version`: `7.2.22`. */
export function parseQemuVersion(text: string): string | undefined {
  return /^QEMU emulator version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
}

function notThere(reason: string, hint?: string): DetectedQemu {
  return { available: false, driver: 'qemu', reason, ...(hint === undefined ? {} : { hint }) };
}

function isOlder(version: string, than: string): boolean {
  const [major, minor] = versionPair(version);
  const [leastMajor, leastMinor] = versionPair(than);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}

/** The file and its version, or why it has none. */
async function identify(path: string, known: KnownQemu | undefined): Promise<KnownQemu | string> {
  try {
    const { mtimeMs, size } = await stat(path);
    if (known?.path === path && known.mtimeMs === mtimeMs && known.size === size) return known;
    const version = parseQemuVersion(await run([path, '--version'], { timeoutMs: 10_000 }));
    return version === undefined
      ? `${path} --version says nothing that is understood`
      : { path, mtimeMs, size, version };
  } catch (error) {
    return `${path} cannot be asked for its version: ${describeError(error)}`;
  }
}
