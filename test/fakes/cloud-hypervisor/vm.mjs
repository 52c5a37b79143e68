// The VM inside a fake VMM: its state, boot, what the guest does by itself. Requests are in actions.mjs.
import { existsSync } from 'node:fs';
import { actions } from './actions.mjs';
import { fillAtBoot, isAtLeast, openDisk, Refusal, refuse, reported, validate } from './config.mjs';
import { serveVsock } from './guest.mjs';
import { appendOpen } from './open-file.mjs';
import { listen } from './server.mjs';

export class Vm {
  constructor(vmm) {
    this.vmm = vmm;
    this.version = vmm.version;
    this.forget();
  }

  forget() {
    this.config = undefined;
    this.state = 'none';
    this.tree = new Map();
    this.infoText = undefined;
    this.wreck = false;
    this.plugged = 0;
    this.pendingCpus = false;
    this.removals = 0;
  }

  at(major, minor) {
    return isAtLeast(this.version, major, minor);
  }

  setting(name, fallback) {
    const value = this.vmm.setting(name);
    return value === undefined ? fallback : Number(value);
  }

  /** Answers one action: text of a 200, undefined for a 204; throws Refusal. */
  async serve(action, sent) {
    if (action === 'vmm.ping') return this.vmm.ping();
    if (action === 'vm.info') return this.info();
    this.infoText = undefined;
    try {
      return await actions[action](this, sent);
    } finally {
      this.infoText = undefined;
    }
  }

  info() {
    if (this.state === 'none') this.#notCreated('The VM info is not available', 'VmInfo(VmNotCreated)');
    this.infoText ??= JSON.stringify({
      config: reported(this.config, this.version),
      state: this.state,
      memory_actual_size: this.memoryActual(),
      ...(this.tree.size > 0 ? { device_tree: this.#treeShown() } : this.at(53) ? {} : { device_tree: null }),
    });
    return this.infoText;
  }

  /** v52+: what the guest has plugged; before, the request is repeated. */
  memoryActual() {
    const { size, hotplugged_size } = this.config.memory;
    return size + (this.at(52) ? this.plugged : (hotplugged_size ?? 0));
  }

  #treeShown() {
    const shown = {};
    for (const [id, node] of this.tree) {
      if (node.bdf === undefined) {
        shown[id] = { id, resources: [], parent: null, children: [], pci_bdf: null };
        continue;
      }
      shown[id] = { id, resources: [], parent: `_virtio-pci-${id}`, children: [], pci_bdf: null };
      shown[`_virtio-pci-${id}`] = {
        id: `_virtio-pci-${id}`,
        resources: [
          { PciBar: { index: 0, base: 70364448686080, size: 524288, type_: 'Memory64', prefetchable: false } },
        ],
        parent: null,
        children: [id],
        pci_bdf: node.bdf,
      };
    }
    return this.at(53) ? JSON.parse(JSON.stringify(shown, (_key, value) => value ?? undefined)) : shown;
  }

  /** 404 since v53, 500 before. */
  #notCreated(what, debug) {
    throw new Refusal(this.at(53) ? 404 : 500, ['Error from API', what, 'VM is not created'], debug);
  }

  requireCreated(what) {
    if (this.state === 'none') this.#notCreated(what, 'VmNotCreated');
  }

  get booted() {
    return this.state === 'Running' || this.state === 'Paused';
  }

  nextBdf() {
    const taken = new Set([...this.tree.values()].map((node) => node.bdf));
    for (let slot = 1; slot < 32; slot += 1) {
      const bdf = `0000:00:${slot.toString(16).padStart(2, '0')}.0`;
      if (!taken.has(bdf)) return bdf;
    }
    return refuse('The device could not be added', 'Error from device manager', 'No available PCI slot');
  }

  /** Takes the locks and queues that only one VM may hold, and remembers them for release. */
  claim(device) {
    const { world, netns, pid } = this.vmm;
    if (device.tap !== undefined && device.tap !== null) {
      const key = `${netns}/${device.tap}`;
      if ((world.taps.get(key) ?? pid) !== pid) {
        refuse('Error from device manager', 'Open tap device failed', 'Device or resource busy (os error 16)');
      }
      world.taps.set(key, pid);
    }
    if (device.path !== undefined && this.at(46)) this.#lock(device);
  }

  #lock(disk) {
    const { world, pid } = this.vmm;
    const holders = world.locks.get(disk.path) ?? [];
    const clash = holders.some((other) => other.pid !== pid && !(other.readonly && disk.readonly));
    if (clash) refuse('Error locking disk images: Another instance likely holds a lock');
    world.locks.set(disk.path, [...holders, { pid, readonly: disk.readonly }]);
  }

  /** Gives back what `claim` took. */
  release(device) {
    const { world, netns, pid } = this.vmm;
    for (const [key, holder] of world.taps) {
      if (holder === pid && (device === undefined || key === `${netns}/${device.tap}`)) world.taps.delete(key);
    }
    for (const [path, holders] of world.locks) {
      if (device !== undefined && device.path !== path) continue;
      const rest = holders.filter((holder) => holder.pid !== pid);
      if (rest.length === 0) world.locks.delete(path);
      else world.locks.set(path, rest);
    }
  }

  boot() {
    validate(this.config, this.version);
    fillAtBoot(this.config, this.version);
    try {
      this.#openDevices();
    } catch (error) {
      // Since v51 the list in progress is lost with the error.
      if (this.at(51)) Object.assign(this.config, { disks: null, net: null });
      this.release();
      throw wrapBoot(error);
    }
    this.#buildTree();
    const { kernel, initramfs } = this.config.payload;
    if ([kernel, initramfs].some((path) => path !== null && !existsSync(path))) {
      this.wreck = true;
      this.release();
      throw wrapBoot(
        new Refusal(500, ['Error from API', 'Cannot open kernel file', 'No such file or directory (os error 2)']),
      );
    }
    this.run();
  }

  #openDevices() {
    const { disks, net, vsock } = this.config;
    for (const disk of disks ?? []) openDisk(disk);
    for (const device of [...(disks ?? []), ...(net ?? [])]) this.claim(device);
    if (vsock !== null && existsSync(vsock.socket)) {
      refuse('Error from device manager', 'Cannot create virtio-vsock backend', 'Address already in use (os error 98)');
    }
  }

  #buildTree() {
    const { disks, net, vsock, memory } = this.config;
    this.tree = new Map([
      ['__serial', {}],
      ['__console', { bdf: '0000:00:01.0' }],
      ['__rng', { bdf: '0000:00:02.0' }],
    ]);
    if ((memory.hotplug_size ?? 0) > 0 && memory.hotplug_method === 'VirtioMem') {
      this.tree.set('_virtio-mem-mem0', { bdf: this.nextBdf() });
    }
    for (const device of [...(disks ?? []), ...(net ?? []), vsock]) {
      if (device !== null) this.tree.set(device.id, { bdf: this.nextBdf() });
    }
  }

  run() {
    this.state = 'Running';
    this.wreck = false;
    this.vmm.event('vm', 'booted');
    this.guest = this.#newGuest();
    const { vsock, serial } = this.config;
    if (vsock !== null)
      this.vsockServer = listen(
        vsock.socket,
        (socket) => serveVsock(socket, this.guest),
        () => undefined,
      );
    if (serial.mode === 'File') appendOpen(serial.file, '[    0.000000] Linux version 6.1.0-fake\r\n');
    const { guest } = this;
    guest.timer = setTimeout(
      () => {
        guest.up = true;
        for (const id of this.tree.keys())
          if (!id.startsWith('__')) this.vmm.event('virtio-device', 'activated', { id });
        if (serial.mode === 'File') appendOpen(serial.file, 'fake guest is up\r\n');
        for (const waiter of guest.waiters.splice(0)) waiter();
      },
      this.setting('BOOT_MS', 10),
    );
  }

  #newGuest() {
    let pids = 1000;
    return {
      up: false,
      noAgent: this.vmm.setting('NO_AGENT') !== undefined,
      hostname: 'fake',
      waiters: [],
      executions: new Map(),
      handles: new Map(),
      files: new Map([['/etc/hostname', Buffer.from('fake\n')]]),
      whenUp(waiter) {
        this.waiters.push(waiter);
      },
      nextPid: () => ++pids,
      cpus: () => this.config.cpus.boot_vcpus,
      nics: () => (this.config.net ?? []).map((net) => net.mac),
      powerOff: () => setTimeout(() => this.vmm.end(), this.setting('POWEROFF_MS', 10)),
      reboot: () => setTimeout(() => actions['vm.reboot'](this), this.setting('POWEROFF_MS', 10)),
    };
  }

  /** Lets something happen in the guest after a while, as long as it runs; a paused guest does nothing. */
  inGuest(act) {
    const { guest } = this;
    const again = () => {
      if (this.guest !== guest || !this.booted) return;
      if (this.state === 'Paused' || !guest.up) setTimeout(again, 10);
      else {
        this.infoText = undefined;
        act();
      }
    };
    setTimeout(again, this.setting('GUEST_MS', 20));
  }

  halt() {
    this.release();
    clearTimeout(this.guest?.timer);
    this.guest = undefined;
    this.vsockServer?.close({ keepFile: false });
    this.vsockServer = undefined;
    this.tree = new Map();
    this.plugged = 0;
    this.pendingCpus = false;
    this.state = 'Created';
  }

  close({ keepFiles }) {
    this.release();
    clearTimeout(this.guest?.timer);
    this.guest = undefined;
    this.vsockServer?.close({ keepFile: keepFiles });
    this.pty?.close();
    this.infoText = undefined;
    this.state = 'none';
  }
}

function wrapBoot(error) {
  if (!(error instanceof Refusal)) return error;
  return new Refusal(error.status, ['Error from API', 'The VM could not boot', ...error.causes.slice(1)]);
}
