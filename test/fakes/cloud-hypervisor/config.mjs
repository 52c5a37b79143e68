// VmConfig as each release stores and reports it: defaults, written ids and MACs, nulls; and the checks made at boot.
import { closeSync, existsSync, openSync, readSync } from 'node:fs';

const mebibyte = 1024 * 1024;

/** Refuses what the VMM refuses; `causes` is the chain, outermost first, `debug` the text of releases up to v37. */
export class Refusal extends Error {
  constructor(status, causes, debug = causes.at(-1)) {
    super(causes.at(-1));
    this.status = status;
    this.causes = causes;
    this.debug = debug;
  }
}

export const refuse = (...causes) => {
  throw new Refusal(500, ['Error from API', ...causes]);
};

/** Whether `version` (text such as `50.1`) is at least this release. */
export function isAtLeast(version, major, minor = 0) {
  const [a, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

/** What decoding makes of the body of vm.create. Unknown fields vanish without a word. */
export function decodeConfig(sent, version) {
  const at = (major, minor) => isAtLeast(version, major, minor);
  const { serial = {}, console: display = {} } = sent;
  return {
    cpus: decodeCpus(sent.cpus ?? {}, version),
    memory: decodeMemory(sent.memory ?? {}),
    payload: { ...nulls('firmware', 'kernel', 'cmdline', 'initramfs'), ...known(sent.payload, payloadFields) },
    rate_limit_groups: null,
    disks: sent.disks?.map((disk) => decodeDisk(disk, version)) ?? null,
    net: sent.net?.map((net) => decodeNet(net, version)) ?? null,
    rng: { src: '/dev/urandom', ...known(sent.rng, ['src']), iommu: false },
    ...nulls('balloon', 'fs', 'pmem'),
    serial: {
      ...{ file: null, mode: 'Null', iommu: false },
      ...(at(36) ? { socket: null } : {}),
      ...known(serial, at(36) ? ['file', 'mode', 'socket'] : ['file', 'mode']),
    },
    console: { file: null, mode: 'Tty', iommu: false, ...known(display, ['file', 'mode']) },
    ...(at(38) ? { debug_console: { file: null, mode: 'Off', iobase: 233 } } : {}),
    ...nulls('devices', 'user_devices', 'vdpa'),
    vsock: sent.vsock === undefined ? null : decodeVsock(sent.vsock),
    pvpanic: sent.pvpanic ?? false,
    iommu: false,
    numa: null,
    watchdog: false,
    ...(at(39) ? { pci_segments: null } : {}),
    platform: decodePlatform(sent.platform, version),
    tpm: null,
    ...(at(41) ? { landlock_enable: false, landlock_rules: null } : {}),
  };
}

const payloadFields = ['firmware', 'kernel', 'cmdline', 'initramfs'];

function nulls(...names) {
  return Object.fromEntries(names.map((name) => [name, null]));
}

/** The members of an object that the release knows; an explicit null is as good as none. */
function known(sent, names) {
  return Object.fromEntries(names.flatMap((name) => (sent?.[name] == null ? [] : [[name, sent[name]]])));
}

function decodeCpus(sent, version) {
  const defaults = {
    boot_vcpus: 1,
    max_vcpus: 1,
    topology: null,
    kvm_hyperv: false,
    max_phys_bits: 46,
    affinity: null,
  };
  const nested = isAtLeast(version, 50) ? { nested: true } : {};
  return { ...defaults, ...known(sent, ['boot_vcpus', 'max_vcpus', 'topology']), features: {}, ...nested };
}

function decodeMemory(sent) {
  return {
    ...{ size: 512 * mebibyte, mergeable: false, hotplug_method: 'Acpi', hotplug_size: null, hotplugged_size: null },
    ...{ shared: false, hugepages: false, hugepage_size: null, prefault: false, zones: null, thp: true },
    ...known(sent, ['size', 'hotplug_method', 'hotplug_size', 'hotplugged_size', 'shared']),
  };
}

export function decodeDisk(sent, version) {
  const at = (major, minor) => isAtLeast(version, major, minor);
  return {
    path: sent.path ?? null,
    readonly: sent.readonly ?? false,
    direct: sent.direct ?? false,
    iommu: false,
    num_queues: sent.num_queues ?? 1,
    queue_size: sent.queue_size ?? 128,
    vhost_user: false,
    vhost_socket: null,
    rate_limiter_config: null,
    id: sent.id ?? null,
    disable_io_uring: false,
    pci_segment: 0,
    ...(at(35) ? { serial: sent.serial ?? null } : {}),
    ...(at(36) ? { disable_aio: false } : {}),
    ...(at(38) ? { rate_limit_group: null, queue_affinity: null } : {}),
    ...(at(50, 1) ? { image_type: sent.image_type ?? 'Unknown', backing_files: sent.backing_files ?? false } : {}),
    ...(at(51) ? { sparse: true } : {}),
    ...(at(52) ? { lock_granularity: 'ByteRange', pci_device_id: null } : {}),
  };
}

export function decodeNet(sent, version) {
  const defaults = isAtLeast(version, 49) ? { ip: null, mask: null } : { ip: '192.168.249.1', mask: '255.255.255.0' };
  return {
    tap: sent.tap ?? null,
    ip: sent.ip ?? defaults.ip,
    mask: sent.mask ?? defaults.mask,
    // Chosen while decoding: it is in the configuration before the first boot.
    mac: sent.mac ?? randomMac(),
    host_mac: sent.host_mac ?? null,
    mtu: sent.mtu ?? null,
    iommu: false,
    num_queues: sent.num_queues ?? 2,
    queue_size: sent.queue_size ?? 256,
    vhost_user: false,
    vhost_socket: null,
    vhost_mode: 'Client',
    id: sent.id ?? null,
    fds: null,
    rate_limiter_config: null,
    pci_segment: 0,
    offload_tso: true,
    offload_ufo: true,
    offload_csum: true,
  };
}

function decodeVsock(sent) {
  return { cid: sent.cid, socket: sent.socket, iommu: false, id: sent.id ?? null, pci_segment: 0 };
}

function decodePlatform(sent, version) {
  if (sent === undefined) return null;
  const shared = { num_pci_segments: 1, iommu_segments: null, oem_strings: sent.oem_strings ?? null };
  // Since v53 the old names are aliases; before, the new ones are unknown and vanish.
  const names = isAtLeast(version, 53)
    ? { system_serial_number: sent.serial_number ?? null, system_uuid: sent.system_uuid ?? sent.uuid ?? null }
    : { serial_number: sent.serial_number ?? null, uuid: sent.uuid ?? null };
  return { ...shared, ...names };
}

/** What boot writes into the configuration: ids from one counter over all types, host MACs, detected types. */
export function fillAtBoot(config, version) {
  let counter = 0;
  const named = (device, type) => {
    device.id ??= `_${type}${counter++}`;
  };
  for (const disk of config.disks ?? []) {
    named(disk, 'disk');
    if (disk.image_type === 'Unknown') disk.image_type = isQcow2(disk.path) ? 'Qcow2' : 'Raw';
  }
  for (const net of config.net ?? []) {
    named(net, 'net');
    if (net.tap !== null && !isAtLeast(version, 54)) net.host_mac ??= randomMac();
  }
  if (config.vsock !== null) named(config.vsock, 'vsock');
}

/** The checks that boot makes before it builds anything. */
export function validate(config, version) {
  const invalid = (why) => refuse('The VM could not boot', 'Failed to validate config', why);
  if (config.payload.kernel === null && config.payload.firmware === null) invalid('Kernel is missing');
  if (config.cpus.boot_vcpus > config.cpus.max_vcpus) invalid(tooFewCpus(config.cpus, version));
  const hotplug = config.memory.hotplug_size ?? 0;
  if (config.memory.hotplug_method === 'VirtioMem' && hotplug % (128 * mebibyte) !== 0) {
    refuse('The VM could not boot', 'Error from device manager', 'Virtio-mem size is not aligned with 134217728');
  }
  const cid = config.vsock?.cid;
  if (cid !== undefined && (cid < 3 || cid >= 0xffff_ffff)) invalid('Invalid vsock CID');
  validateIds(config, invalid);
}

function tooFewCpus({ boot_vcpus, max_vcpus }, version) {
  if (isAtLeast(version, 51)) return `Max CPUs (${max_vcpus}) lower than boot CPUs (${boot_vcpus})`;
  return 'Max CPUs lower than boot CPUs';
}

/** One namespace for all ids. */
export function validateIds(config, invalid) {
  const ids = [...(config.disks ?? []), ...(config.net ?? []), config.vsock].flatMap((device) => device?.id ?? []);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) invalid(`Identifier ${twice} is not unique`);
  const reserved = ids.find((id) => id.startsWith('__'));
  if (reserved !== undefined) invalid(`Given identifier ${reserved} is invalid`);
}

/** Opens a disk's file as the device does; refuses what cannot be opened or is of another type. */
export function openDisk(disk) {
  if (disk.path === null || !existsSync(disk.path)) {
    refuse('Error from device manager', 'Disk(Os { code: 2, kind: NotFound, message: "No such file or directory" })');
  }
  const qcow2 = isQcow2(disk.path);
  if (disk.image_type === 'Qcow2' && !qcow2) refuse('Error from device manager', 'The disk image is no QCOW2 file');
}

export function isQcow2(path) {
  let file;
  try {
    file = openSync(path, 'r');
    const magic = Buffer.alloc(4);
    readSync(file, magic, 0, 4, 0);
    return magic.equals(Buffer.from([0x51, 0x46, 0x49, 0xfb]));
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The configuration as vm.info shows it: unset options are null up to v52 and left out since. */
export function reported(config, version) {
  return isAtLeast(version, 53) ? withoutNulls(config) : config;
}

function withoutNulls(value) {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}

function randomMac() {
  const bytes = Array.from({ length: 5 }, () =>
    Math.floor(Math.random() * 256)
      .toString(16)
      .padStart(2, '0'),
  );
  return `2e:${bytes.join(':')}`;
}
