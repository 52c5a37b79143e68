// What this host lacks and how to get it: drivers, KVM, namespaces, programs, memory.

import type { Detected } from '../core/plan/capabilities.ts';
import { roughBytes } from '../core/render/quantity.ts';
import type { DoctorCheck } from '../core/render/status-model.ts';
import { findProgram } from '../host/programs.ts';
import { namespaceSupport, networkPrograms, readHostFacts } from '../host/space.ts';
import type { Workplace } from './session.ts';

const otherPrograms = [
  { program: 'flock', package: 'util-linux', why: 'locks a sandbox while it is applied' },
  { program: 'ssh', package: 'openssh-client', why: 'is the way into guests: exec, shell, cp' },
  { program: 'tar', package: 'tar', why: 'carries files in and out of guests' },
  { program: 'apt-get', package: 'apt', why: 'fetches the packages of which the tiny image is made' },
  { program: 'dpkg-deb', package: 'dpkg', why: 'unpacks them' },
  { program: 'mke2fs', package: 'e2fsprogs', why: 'makes root disks' },
  { program: 'prlimit', package: 'util-linux', why: 'limits what qemu-img may write' },
  { program: 'qemu-img', package: 'qemu-utils', why: 'turns qcow2 images of your own into disks' },
] as const;

/** Looks at everything that sbx uses of this host. */
export async function examine(workplace: Workplace): Promise<readonly DoctorCheck[]> {
  const [{ detected, kvm }, namespaces] = await Promise.all([workplace.detectAfresh(), namespaceSupport()]);
  const facts = readHostFacts({ home: workplace.home.state, listeners: 'skip' });
  return [
    { name: 'node', status: 'ok', detail: `${process.version} at ${process.execPath}` },
    ...detected.map((found) => driverCheck(found, detected)),
    kvm === undefined || kvm.usable
      ? { name: 'KVM', status: 'ok', detail: kvm?.reason ?? 'not asked for' }
      : {
          name: 'KVM',
          status: 'limited',
          detail: `${kvm.reason}; guests are emulated, which is some ten times slower`,
          ...(kvm.hint === undefined ? {} : { hint: kvm.hint }),
        },
    namespaces.ok
      ? { name: 'network namespaces', status: 'ok', detail: 'this user can have them, with bridges and taps' }
      : {
          name: 'network namespaces',
          status: 'limited',
          detail: `${namespaces.reason}; VMs reach the world but not each other`,
          hint: namespaces.hint,
        },
    ...[...networkPrograms, ...otherPrograms].map(programCheck),
    { name: 'memory', status: 'ok', detail: `${roughBytes(facts.memoryAvailableBytes)} available` },
    {
      name: 'disk',
      status: 'ok',
      detail: `${roughBytes(facts.diskAvailableBytes)} available at ${workplace.home.state}`,
    },
  ];
}

function driverCheck(found: Detected, all: readonly Detected[]): DoctorCheck {
  if (found.available) {
    const { driver, version, path, acceleration, notes } = found.capabilities;
    return { name: driver, status: 'ok', detail: [`${version} at ${path}, with ${acceleration}`, ...notes].join('; ') };
  }
  const another = all.some((other) => other.available);
  const { driver, reason, hint } = found;
  return {
    name: driver,
    status: another ? 'limited' : 'missing',
    detail: reason,
    ...(hint === undefined ? {} : { hint }),
  };
}

function programCheck({
  program,
  package: name,
  why,
}: {
  readonly program: string;
  readonly package: string;
  readonly why: string;
}): DoctorCheck {
  const path = findProgram(program);
  if (path !== undefined) return { name: program, status: 'ok', detail: path };
  return { name: program, status: 'missing', detail: `not found; it ${why}`, hint: `sudo apt-get install ${name}` };
}
