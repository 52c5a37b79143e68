// The Cloud Hypervisor driver: the operations of VmmDriver, each in a file of its own, put together.

import { SbxError } from '../../core/errors.ts';
import type { Capabilities } from '../../core/plan/capabilities.ts';
import type { NicSpec, VmmDriver, VmRef } from '../driver.ts';
import { openAgent, openPty } from './agent.ts';
import { apiSocketOf, filesOf } from './argv.ts';
import { diskWireId, nicWireId, toDiskConfig, toNetConfig } from './convert.ts';
import { addDevice, removeDevice } from './devices.ts';
import { refuseForged } from './disk-content.ts';
import { observe } from './observe.ts';
import { growDisk, resizeCpus, resizeMemory } from './resize.ts';
import { ask, defaultLimits, type Limits, readInfo, type Session, withSession } from './session.ts';
import { start } from './start.ts';
import { stop } from './stop.ts';
import { featuresOf, oldestVersion, parseVersion } from './version.ts';
import type { NetConfig } from './vm-config.ts';

export interface CloudHypervisorOptions {
  /** Time limits other than the defaults */
  readonly limits?: Partial<Limits>;
  /** Added to the environment of VMM processes */
  readonly env?: Readonly<Record<string, string>>;
}

/** A driver for the binary that `capabilities` describe; see `detectCloudHypervisor`. */
export function createCloudHypervisorDriver(
  capabilities: Capabilities,
  options: CloudHypervisorOptions = {},
): VmmDriver {
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const version = parseVersion(capabilities.version) ?? oldestVersion;
  const features = featuresOf(version);
  const within = <T>(ref: VmRef, work: (session: Session) => Promise<T>): Promise<T> => withSession(ref, limits, work);
  const setState = (ref: VmRef, action: string, wanted: string): Promise<void> =>
    within(ref, async (session) => {
      // Neither call may be repeated: a second pause is refused, and below v53 boot and resume are easily confused.
      if ((await session.info()).state !== wanted) await ask(session, action, undefined, (now) => now.state === wanted);
    });
  return {
    name: 'cloud-hypervisor',
    capabilities,
    consoleCmdline: 'console=ttyS0',
    start: (spec, context) =>
      start(spec, context, {
        binary: capabilities.path,
        version,
        limits,
        ...(options.env === undefined ? {} : { env: options.env }),
      }),
    observe: (ref, options) => observe(ref, limits.observeMs, options),
    stop: (ref, graceMs, signal) => stop(ref, graceMs, signal, limits),
    pause: (ref) => setState(ref, 'vm.pause', 'Paused'),
    resume: (ref) => setState(ref, 'vm.resume', 'Running'),
    resizeCpus: (ref, count) => within(ref, (session) => resizeCpus(session, count)),
    resizeMemory: (ref, sizeBytes) => within(ref, (session) => resizeMemory(session, sizeBytes)),
    attachDisk: async (ref, disk) => {
      await refuseForged([disk], version);
      await within(ref, (session) => addDevice(session, 'vm.add-disk', toDiskConfig(disk, features)));
    },
    detachDisk: (ref, id) => within(ref, (session) => removeDevice(session, diskWireId(id), features)),
    growDisk: (ref, id, sizeBytes) => within(ref, (session) => growDisk(session, id, sizeBytes, features)),
    attachNic: (ref, nic) => within(ref, (session) => addDevice(session, 'vm.add-net', tapConfig(nic))),
    detachNic: (ref, id) => within(ref, (session) => removeDevice(session, nicWireId(id), features)),
    openAgent: (ref) => openAgent(filesOf(ref.paths).vsockSocket, limits.agentMs),
    openConsole: async (ref) => openPty((await readInfo(apiSocketOf(ref.paths), limits.requestMs)).consolePty),
  };
}

function tapConfig(nic: NicSpec): NetConfig {
  const config = toNetConfig(nic);
  if (config !== undefined) return config;
  throw new SbxError('SBX5007', `Cloud Hypervisor has no user network of its own, which NIC "${nic.id}" asks for.`);
}
