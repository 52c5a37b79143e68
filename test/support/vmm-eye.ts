// What a VMM has, as seen without sbx: an eye for each kind of VMM.

import { statSync } from 'node:fs';
import type { FakeCall } from '../fakes/cloud-hypervisor/install.ts';
import type { FakeHost } from './fake-host.ts';

/** What one VMM has; sizes of memory in MiB, of disks in `bytes`. */
export interface Seen {
  cpus: number;
  cpusMax: number;
  memory: number;
  memoryMax: number;
  cmdline: string;
  state: 'created' | 'running';
  readonly disks: Map<string, { readonly path: string; readonly readonly: boolean; size: number }>;
  readonly nics: Map<string, { readonly tap: string; readonly mac: string }>;
}

export interface VmmEye {
  /** Whether a command line is one of a VMM */
  readonly isVmm: (words: readonly string[]) => boolean;
  /** What these processes have now; those that say nothing are left out */
  readonly look: (pids: readonly number[]) => Promise<ReadonlyMap<number, Seen>>;
}

const mebibyte = 1024 * 1024;

/** Of the fake Cloud Hypervisor: what it was told, added up from its own log of the calls that it took. */
export function fakeEye(fake: FakeHost['fake']): VmmEye {
  const told = new Map<number, Seen>();
  let read = 0;
  return {
    isVmm: (words) => words.includes('--event-monitor'),
    look: async () => {
      const calls = await fake.calls();
      for (const call of calls.slice(read)) take(told, call);
      read = calls.length;
      return told;
    },
  };
}

// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one call after the other
function take(seen: Map<number, Seen>, { pid, action, body, status }: FakeCall): void {
  if (status >= 300) return;
  if (action === 'vm.create') seen.set(pid, seenBy(JSON.parse(body ?? '{}')));
  const told = seen.get(pid);
  if (told === undefined) return;
  const given = body === undefined || body === '' ? {} : JSON.parse(body);
  if (action === 'vm.boot') told.state = 'running';
  if (action === 'vm.resize') {
    told.cpus = given.desired_vcpus ?? told.cpus;
    told.memory = given.desired_ram === undefined ? told.memory : given.desired_ram / mebibyte;
  }
  if (action === 'vm.add-disk') addDisk(told, given);
  if (action === 'vm.remove-device') told.disks.delete(deviceName(given.id));
  if (action === 'vm.resize-disk') {
    const disk = told.disks.get(deviceName(given.id));
    if (disk !== undefined) disk.size = given.desired_size;
  }
}

interface Body {
  readonly cpus: { readonly boot_vcpus: number; readonly max_vcpus: number };
  readonly memory: { readonly size: number; readonly hotplug_size?: number };
  readonly payload: { readonly cmdline: string };
  readonly platform: { readonly oem_strings?: readonly string[] };
  readonly disks?: readonly Disk[];
  readonly net?: readonly { readonly id: string; readonly tap: string; readonly mac: string }[];
}

interface Disk {
  readonly id: string;
  readonly path: string;
  readonly readonly: boolean;
}

function seenBy(config: Body): Seen {
  const mark = config.platform.oem_strings?.find((one) => one.startsWith('sbx:memory-max='));
  const size = config.memory.size / mebibyte;
  const max =
    mark === undefined ? size + (config.memory.hotplug_size ?? 0) / mebibyte : Number(mark.slice(15)) / mebibyte;
  const told: Seen = {
    cpus: config.cpus.boot_vcpus,
    cpusMax: config.cpus.max_vcpus,
    memory: size,
    memoryMax: max,
    cmdline: config.payload.cmdline,
    state: 'created',
    disks: new Map(),
    nics: new Map((config.net ?? []).map(({ id, tap, mac }) => [deviceName(id), { tap, mac }])),
  };
  for (const disk of config.disks ?? []) addDisk(told, disk);
  return told;
}

/** The size is that of now; who looks only once after an apply takes it from there. */
function addDisk(told: Seen, { id, path, readonly }: Disk): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  told.disks.set(deviceName(id), { path, readonly, size });
}

function deviceName(id: string): string {
  return id.replace(/^(disk|net)-/, '');
}
