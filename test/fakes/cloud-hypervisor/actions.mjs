// What each request does to a VM. Every rule has a row in README.md.
import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { decodeConfig, decodeDisk, decodeNet, openDisk, Refusal, refuse, validateIds } from './config.mjs';
import { openPty } from './pty.mjs';
import { resizeCpus, resizeMemory } from './sizes.mjs';

/** Action → what it does; gives the text of a 200, nothing for a 204, or throws a Refusal. */
export const actions = {
  'vmm.shutdown': (vm) => {
    // The reply is on its way before the process ends.
    setTimeout(() => vm.vmm.end(), 2);
    return '';
  },

  'vm.create': async (vm, sent) => {
    if (vm.state !== 'none') refuse('The VM could not be created', 'VM is already created');
    vm.config = decodeConfig(sent, vm.version);
    vm.state = 'Created';
    const { serial, console: display } = vm.config;
    if (serial.mode === 'File' && serial.file === null) {
      vm.vmm.crash('crash');
      throw new Refusal(500, ['Error from API', 'receiving on a closed channel']);
    }
    if (serial.mode === 'File') writeFileSync(serial.file, '');
    if (display.mode === 'Socket')
      refuse('Error creating console devices', 'No socket option support for console device');
    if (display.mode === 'Pty' && vm.vmm.setting('PTY') !== undefined) {
      vm.pty = await openPty();
      display.file = vm.pty.path;
    }
  },

  'vm.boot': (vm) => {
    if (vm.state === 'none') {
      throw new Refusal(vm.at(53) ? 404 : 500, ['Error from API', 'The VM could not boot', 'VM config is missing']);
    }
    if (vm.state === 'Running') refuse('The VM could not boot', 'VM is already running');
    if (vm.state === 'Paused') {
      if (vm.at(53)) refuse('The VM could not boot', 'VM is already created');
      vm.state = 'Running';
      return;
    }
    if (vm.wreck) return bootWreck(vm);
    vm.vmm.event('vm', 'booting');
    vm.boot();
  },

  'vm.shutdown': (vm) => {
    if (!vm.booted) refuse('The VM could not shutdown', 'VM is not running');
    vm.halt();
    vm.vmm.event('vm', 'shutdown');
  },

  'vm.delete': (vm) => {
    if (vm.booted) vm.halt();
    vm.pty?.close();
    vm.forget();
    vm.vmm.event('vm', 'deleted');
  },

  'vm.reboot': (vm) => {
    if (!vm.booted) {
      throw new Refusal(vm.at(53) ? 404 : 500, ['Error from API', 'The VM could not reboot', 'VM is not created']);
    }
    vm.vmm.event('vm', 'rebooting');
    const kept = vm.config.memory.hotplugged_size;
    vm.halt();
    vm.boot();
    vm.plugged = kept ?? 0;
    vm.vmm.event('vm', 'rebooted');
  },

  'vm.power-button': (vm) => {
    if (!vm.booted) refuse('The power button could not be triggered', 'VM is not running');
    if (vm.vmm.setting('IGNORE_POWER_BUTTON') === undefined) vm.inGuest(() => vm.vmm.end());
  },

  'vm.nmi': (vm) => {
    if (!vm.booted) refuse('The NMI could not be triggered', 'VM is not running');
  },

  'vm.pause': (vm) => {
    if (vm.state !== 'Running') refuse('The VM could not be paused', 'VM is not running');
    vm.state = 'Paused';
    vm.vmm.event('vm', 'paused');
  },

  'vm.resume': (vm) => {
    if (vm.state !== 'Paused') refuse('The VM could not resume', 'VM is not paused');
    vm.state = 'Running';
    vm.vmm.event('vm', 'resumed');
  },

  'vm.counters': (vm) => {
    if (!vm.booted) refuse('The VM counters are not available', 'VM is not running');
    // JSON.stringify cannot write 2^64 - 1: the text is made by hand.
    const disks = (vm.config.disks ?? []).map(
      ({ id }) =>
        `${JSON.stringify(id)}:{"read_bytes":0,"read_latency_min":18446744073709551615,"read_latency_avg":1844674407370955}`,
    );
    return `{${disks.join(',')}}`;
  },

  'vm.resize': (vm, { desired_vcpus, desired_ram }) => {
    vm.requireCreated('The VM could not be resized');
    // In this order; what was done stays done when the next one fails.
    if (desired_vcpus !== undefined && desired_vcpus !== null) resizeCpus(vm, desired_vcpus);
    if (desired_ram !== undefined && desired_ram !== null) resizeMemory(vm, desired_ram);
    vm.vmm.event('vm', 'resized');
  },

  'vm.resize-disk': (vm, { id, desired_size }) => {
    vm.requireCreated('The disk could not be resized');
    if (!vm.booted) refuse('The disk could not be resized', 'VM is not running');
    const disk = vm.config.disks?.find((one) => one.id === id);
    if (disk === undefined) refuse('The disk could not be resized', `Unknown device id ${id}`);
    if (desired_size % 512 !== 0) refuse('The disk could not be resized', 'Size is no multiple of 512');
    if (disk.image_type === 'Qcow2' && (!vm.at(51) || disk.backing_files)) {
      refuse('The disk could not be resized', 'Resize is not supported for this image');
    }
    // The file is open for reading only, so that it cannot be made longer.
    if (disk.readonly) refuse('The disk could not be resized', 'Invalid argument (os error 22)');
    if (disk.image_type !== 'Qcow2' && statSync(disk.path).isFile()) truncateSync(disk.path, desired_size);
  },

  'vm.add-disk': (vm, sent) => addDevice(vm, 'disks', decodeDisk(sent, vm.version), 'disk'),
  'vm.add-net': (vm, sent) => addDevice(vm, 'net', decodeNet(sent, vm.version), 'network'),

  'vm.remove-device': (vm, { id }) => {
    vm.requireCreated('The device could not be removed');
    const failed = (why) => refuse('The device could not be removed', 'Error from device manager', why);
    const unknown = () => {
      if (vm.at(54))
        throw new Refusal(404, ['Error from API', 'The device could not be removed', `Unknown device id ${id}`]);
      failed(`Unknown device id ${id}`);
    };
    const list = ['disks', 'net'].find((name) => vm.config[name]?.some((device) => device.id === id));
    if (!vm.booted) {
      if (list === undefined) unknown();
      vm.config[list] = vm.config[list].filter((device) => device.id !== id);
      return;
    }
    if (!vm.tree.has(id) || id.startsWith('__')) unknown();
    // Below v53 a second request is taken without a word, v53 refuses it, later ones tell the guest again.
    if (list === undefined && !vm.at(54)) return vm.at(53) ? failed(`Device ${id} is being removed`) : undefined;
    if (list !== undefined) {
      const device = vm.config[list].find((one) => one.id === id);
      vm.config[list] = vm.config[list].filter((one) => one !== device);
      vm.release(device);
    }
    vm.removals += 1;
    if (vm.vmm.setting('KEEP_DEVICES') !== undefined || vm.removals <= vm.setting('LOSE_REMOVALS', 0)) return;
    vm.inGuest(() => {
      const bdf = vm.tree.get(id)?.bdf;
      vm.tree.delete(id);
      vm.vmm.event('vm', 'device-removed', { id, bdf });
    });
  },
};

function bootWreck(vm) {
  if (vm.at(53)) refuse('The VM could not boot', 'VM is already created');
  // The half-built object "boots"; on v48 to v52 the process then ends.
  vm.state = 'Running';
  if (vm.at(48)) setTimeout(() => vm.vmm.crash('crash'), 5);
}

function addDevice(vm, list, device, what) {
  vm.requireCreated(`The ${what} device could not be added`);
  const invalid = (why) => refuse(`The ${what} device could not be added`, 'Failed to validate config', why);
  if (vm.config.cpus.boot_vcpus === 0) invalid('Number of queues is larger than the number of vCPUs');
  device.id ??= `_${what}${vm.tree.size}`;
  validateIds({ ...vm.config, [list]: [...(vm.config[list] ?? []), device] }, invalid);
  if (!vm.booted) {
    vm.config[list] = [...(vm.config[list] ?? []), device];
    return undefined;
  }
  if (vm.tree.has(device.id)) invalid(`Identifier ${device.id} is not unique`);
  if (list === 'disks') openDisk(device);
  vm.claim(device);
  const bdf = vm.nextBdf();
  if (device.image_type === 'Unknown') device.image_type = 'Raw';
  vm.config[list] = [...(vm.config[list] ?? []), device];
  vm.tree.set(device.id, { bdf });
  return JSON.stringify({ id: device.id, bdf });
}
