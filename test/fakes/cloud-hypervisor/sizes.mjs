// vCPUs and memory of a VM that runs, or not yet.
import { Refusal, refuse } from './config.mjs';

const mebibyte = 1024 * 1024;

export function resizeCpus(vm, count) {
  const { cpus } = vm.config;
  const failed = (why, status = 500) => {
    throw new Refusal(status, ['Error from API', 'The VM could not be resized', why], `VmResize(CpuManager(${why}))`);
  };
  if (count > cpus.max_vcpus) failed('Desired vCPU count exceeds maximum');
  if (count === 0 && vm.at(46)) failed('Desired vCPU count is 0');
  if (vm.pendingCpus) {
    if (vm.at(46)) throw new Refusal(429, ['Too Many Requests']);
    failed(vm.at(38) ? 'Still pending removed vCPU' : 'VcpuPendingRemovedVcpu');
  }
  const removing = count < cpus.boot_vcpus;
  cpus.boot_vcpus = count;
  if (!removing || !vm.booted) return;
  vm.pendingCpus = true;
  vm.inGuest(() => {
    vm.pendingCpus = false;
  });
}

export function resizeMemory(vm, bytes) {
  const { memory } = vm.config;
  const failed = (why) => refuse('The VM could not be resized', 'Memory manager error', why);
  if ((memory.hotplug_size ?? 0) === 0) failed('Memory hotplug is not possible');
  if (memory.hotplug_method !== 'VirtioMem') {
    const growth = bytes - memory.size;
    if (growth > 0 && growth % (128 * mebibyte) !== 0) failed('Invalid size');
    memory.size = bytes;
    return;
  }
  const target = bytes - memory.size;
  if (target < 0) {
    if (vm.at(53)) failed(`Requested size ${bytes} is below the boot size ${memory.size}`);
    return;
  }
  if (target > memory.hotplug_size) failed('Requested size is bigger than the region');
  if (target % (2 * mebibyte) !== 0) failed('Requested size is not aligned on block_size');
  if (target === (memory.hotplugged_size ?? 0)) failed('Requested size is the same as the current one');
  memory.hotplugged_size = target === 0 ? null : target;
  const floor = vm.setting('STUBBORN_MEMORY', 0);
  vm.inGuest(() => {
    vm.plugged = Math.max(vm.config.memory.hotplugged_size ?? 0, Math.min(vm.plugged, floor));
  });
}
