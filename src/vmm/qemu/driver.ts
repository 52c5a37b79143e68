// The QEMU driver: the operations of the interface, each in a file of its own, bound to one binary's capabilities.
import type { Capabilities } from '../../core/plan/capabilities.ts';
import type { VmmDriver } from '../driver.ts';
import { attachQemuDisk, attachQemuNic, detachQemuDisk, detachQemuNic, growQemuDisk } from './devices.ts';
import { defaultLimits, type QemuLimits } from './limits.ts';
import { observeQemu } from './observe.ts';
import { resizeQemuCpus, resizeQemuMemory } from './resize.ts';
import { resumeQemu } from './resume.ts';
import { withQmp } from './session.ts';
import { startQemu } from './start.ts';
import { stopQemu } from './stop.ts';
import { openAgentStream, openConsoleStream } from './streams.ts';

/** A driver for the binary that `capabilities` describe. Limits are for tests. */
export function createQemuDriver(capabilities: Capabilities, limits: QemuLimits = defaultLimits): VmmDriver {
  return {
    name: 'qemu',
    capabilities,
    consoleCmdline: 'console=ttyS0',
    start: (spec, context) => startQemu(spec, capabilities, context, limits),
    observe: (ref, options) => observeQemu(ref, limits.observeMs, options),
    stop: (ref, graceMs, signal) => stopQemu(ref, graceMs, signal, limits),
    pause: (ref) => withQmp(ref, limits, async (connection) => void (await connection.must('stop'))),
    resume: (ref) => resumeQemu(ref, limits),
    resizeCpus: (ref, count) => resizeQemuCpus(ref, count, limits),
    resizeMemory: (ref, sizeBytes) => resizeQemuMemory(ref, sizeBytes, limits),
    attachDisk: (ref, disk) => attachQemuDisk(ref, disk, limits),
    detachDisk: (ref, id) => detachQemuDisk(ref, id, limits),
    growDisk: (ref, id, sizeBytes) => growQemuDisk(ref, id, sizeBytes, limits),
    attachNic: (ref, nic) => attachQemuNic(ref, nic, limits),
    detachNic: (ref, id) => detachQemuNic(ref, id, limits),
    openAgent: (ref) => openAgentStream(ref, limits),
    openConsole: (ref) => openConsoleStream(ref),
  };
}
