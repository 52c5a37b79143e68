// What a QEMU of a version offers with an accelerator, as data for the planner. Pure.
import type { Capabilities } from '../../core/plan/capabilities.ts';
import { hotBus, versionPair } from './layout.ts';

/** The oldest version that the driver speaks to. */
export const minimumVersion = '6.2';
/** The oldest release that can do everything that sbx asks of QEMU. */
export const fullVersion = '7.2';

const mebibyte = 1024 * 1024;

/** A guest below this spins in its decompressor without a word. */
const memoryMinBytes = 96 * mebibyte;

/** Block size of virtio-mem on x86-64. */
const memoryStepBytes = 2 * mebibyte;

/** Capabilities of a binary. `version` is `major.minor.micro`; `acceleration` is what was probed. */
export function qemuCapabilities(path: string, version: string, acceleration: 'kvm' | 'tcg'): Capabilities {
  const pair = versionPair(version);
  const bus = hotBus(pair);
  const full = bus.machine === 'q35';
  return {
    driver: 'qemu',
    version,
    path,
    acceleration,
    cpuGrow: acceleration === 'kvm' || full ? 'live' : 'restart',
    // Removing a vCPU under TCG corrupts the heap of 7.2 and uses up vCPU contexts for good in later versions.
    cpuShrink: acceleration === 'kvm' ? 'live' : 'restart',
    memoryGrow: 'live',
    memoryShrink: 'live',
    diskAttach: 'live',
    diskDetach: 'live',
    diskGrow: 'live',
    nicAttach: 'live',
    nicDetach: 'live',
    memoryStepBytes,
    memoryMinBytes,
    cpusMax: 255,
    devicesMax: bus.lastSlot - bus.firstSlot + 1,
    userNetwork: true,
    notes: full ? [] : ['runs guests on the older pc machine; q35 needs 7.2'],
  };
}
