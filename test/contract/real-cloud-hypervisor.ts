// Where a real Cloud Hypervisor can be asked: a binary on PATH, a usable KVM, and a kernel to boot.
import { existsSync } from 'node:fs';
import type { Capabilities } from '../../src/core/plan/capabilities.ts';
import { probeKvm } from '../../src/host/kvm.ts';
import { detectCloudHypervisor } from '../../src/vmm/cloud-hypervisor/detect.ts';

export interface RealCloudHypervisor {
  readonly capabilities: Capabilities;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly cmdline: string;
  /** Whether this user may make taps here */
  readonly tap: boolean;
}

/**
 * The real program, or why the tests cannot use one. The kernel and initramfs of the tiny image are named by SBX_TEST_KERNEL
 * and SBX_TEST_INITRD; SBX_TEST_CMDLINE adds words.
 */
export async function findRealCloudHypervisor(): Promise<RealCloudHypervisor | string> {
  const { env } = process;
  const policy = env['SBX_KVM'] === 'assume' ? 'assume' : 'probe';
  const found = await detectCloudHypervisor({ path: env['PATH'] ?? '', kvm: () => probeKvm({ policy }) });
  if (!found.available) return found.reason;
  const kernel = env['SBX_TEST_KERNEL'];
  const initrd = env['SBX_TEST_INITRD'];
  if (kernel === undefined) return 'SBX_TEST_KERNEL names no kernel to boot';
  const missing = [kernel, initrd].find((path) => path !== undefined && !existsSync(path));
  if (missing !== undefined) return `${missing} is not there`;
  const tap = process.getuid?.() === 0 && existsSync('/dev/net/tun');
  return { capabilities: found.capabilities, kernel, initrd, cmdline: env['SBX_TEST_CMDLINE'] ?? '', tap };
}
