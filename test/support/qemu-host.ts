// A home over real QEMU by emulation: small guests of the tiny image that run from memory, driven in process.
import { constants, copyFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuiltImage } from '../../src/images/cache.ts';
import { type ChainHost, chained } from './chain.ts';
import type { FileModel, VmModel } from './generated-files.ts';
import { makePlanHost } from './plan-host.ts';
import { qemuEye } from './qemu-eye.ts';

/** A fresh host for a chain; its guests boot this image. */
export function makeQemuChainHost(image: BuiltImage): ChainHost {
  const root = mkdtempSync(join(tmpdir(), 'sbxq-'));
  const env = { HOME: root, PATH: process.env['PATH'] ?? '', SBX_KVM: 'never' };
  const host = makePlanHost({ root, vmm: 'qemu', env });
  // A file names nothing outside of its folder.
  const { kernel, initrd = '', cmdline } = image;
  for (const [from, name] of [
    [kernel, 'vmlinuz'],
    [initrd, 'initrd'],
  ] as const)
    copyFileSync(from, join(host.folder, name), constants.COPYFILE_FICLONE);
  const guest = { kernel: './vmlinuz', initrd: './initrd', cmdline };
  return { ...host, ...chained(host, qemuEye, { own: guest, other: guest, bare: guest }, small) };
}

/** What two emulated guests can do in a few seconds: they say when they are up, so that they can be asked to power off. */
function small(file: FileModel): FileModel {
  const vms = Object.entries(file.vms).slice(0, 2);
  return { ...file, vms: Object.fromEntries(vms.map(([name, vm]) => [name, guestOf(vm)])) };
}

function guestOf(vm: VmModel): VmModel {
  const { cpus, memory } = vm;
  return {
    ...vm,
    form: 'single',
    image: 'bare',
    cmdline: vm.cmdline === null ? null : 'quiet',
    ready: true,
    cpus: { count: Math.min(cpus.count, 2), room: Math.min(cpus.room, 2) },
    memory: { ...memory, size: Math.max(memory.size, 160) },
  };
}
