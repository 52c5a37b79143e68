import t from 'tap';
import { filesOf, servesSocket, vmmArgv } from '../../../src/vmm/cloud-hypervisor/argv.ts';
import { toVmConfig, toVmInfo, toVmShape, vsockCid } from '../../../src/vmm/cloud-hypervisor/convert.ts';
import { featuresOf } from '../../../src/vmm/cloud-hypervisor/version.ts';
import type { VmSpec } from '../../../src/vmm/driver.ts';

const mebibyte = 1024 * 1024;
const paths = { run: '/r', data: '/d' };
const files = filesOf(paths);
const spec: VmSpec = {
  name: 'sbx-shop-web',
  uuid: '00000010-0000-4000-8000-000000000001',
  paths,
  kernel: '/i/kernel',
  initrd: '/i/initrd',
  cmdline: 'console=ttyS0',
  cpus: { count: 2, max: 4 },
  memory: { sizeBytes: 256 * mebibyte, maxBytes: 512 * mebibyte },
  disks: [
    { id: 'root', path: '/d/root.raw', format: 'raw', readonly: false },
    { id: 'seed', path: '/d/seed.img', format: 'raw', readonly: true },
  ],
  nics: [{ id: 'lan', mac: '02:00:00:00:00:0A', connection: { type: 'tap', ifname: 'sbx123' } }],
};
const features = (major: number, minor = 0) => featuresOf({ major, minor });

t.test('a VM on the newest release', async (t) => {
  t.strictSame(toVmConfig(spec, files, features(53), 'Pty'), {
    cpus: { boot_vcpus: 2, max_vcpus: 4 },
    memory: { size: 256 * mebibyte, hotplug_method: 'VirtioMem', hotplug_size: 256 * mebibyte },
    payload: { kernel: '/i/kernel', cmdline: 'console=ttyS0', initramfs: '/i/initrd' },
    disks: [
      { id: 'disk-root', path: '/d/root.raw', readonly: false, direct: false, serial: 'root', image_type: 'Raw' },
      {
        id: 'disk-seed',
        path: '/d/seed.img',
        readonly: true,
        direct: false,
        serial: 'seed',
        image_type: 'Raw',
      },
    ],
    net: [{ id: 'net-lan', tap: 'sbx123', mac: '02:00:00:00:00:0a', num_queues: 2 }],
    rng: { src: '/dev/urandom' },
    serial: { mode: 'File', file: '/d/serial.log' },
    console: { mode: 'Pty' },
    vsock: { cid: 19, socket: '/r/vsock.sock', id: 'vsock' },
    platform: { system_uuid: spec.uuid },
  });
});

t.test('fields that a release would ignore are not sent to it', async (t) => {
  const disk = (major: number, minor = 0) => toVmConfig(spec, files, features(major, minor), 'Off').disks?.[1];
  t.strictSame(Object.keys(disk(34) ?? {}), ['id', 'path', 'readonly', 'direct']);
  t.strictSame(Object.keys(disk(50) ?? {}), ['id', 'path', 'readonly', 'direct', 'serial']);
  t.match(disk(50, 1), { image_type: 'Raw' });
  const platform = (major: number) => toVmConfig(spec, files, features(major), 'Off').platform;
  t.strictSame(platform(52), { uuid: spec.uuid });
  t.strictSame(platform(53), { system_uuid: spec.uuid });
});

t.test('memory without room to grow has no hotplug, other room is rounded up and the maximum kept', async (t) => {
  const memory = (sizeBytes: number, maxBytes: number) =>
    toVmConfig({ ...spec, memory: { sizeBytes, maxBytes } }, files, features(53), 'Off');
  t.strictSame(memory(256 * mebibyte, 256 * mebibyte).memory, { size: 256 * mebibyte });
  const odd = memory(256 * mebibyte, 500 * mebibyte);
  t.equal(odd.memory.hotplug_size, 256 * mebibyte);
  const info = toVmInfo({ state: 'Running', config: odd });
  t.equal(
    info === undefined ? undefined : toVmShape(info).memoryMaxBytes,
    500 * mebibyte,
    'read back as it was declared',
  );
});

t.test('context ids are always ones that the VMM takes', async (t) => {
  for (const uuid of ['00000000-x', '00000001-', 'ffffffff-', 'fffffffc', '80000002-', 'zz']) {
    const cid = vsockCid(uuid);
    t.ok(cid >= 3 && cid < 0xffff_ffff && Number.isInteger(cid), `${uuid}: ${cid}`);
  }
});

t.test('what the VMM writes by itself is no part of the shape', async (t) => {
  const config = {
    cpus: { boot_vcpus: 2, max_vcpus: 4, topology: null, features: {} },
    memory: { size: 256, hotplug_method: 'VirtioMem', hotplug_size: 256, hotplugged_size: 128, zones: null, thp: true },
    disks: [
      { id: 'disk-root', path: '/d', image_type: 'Raw', num_queues: 1 },
      { id: '_disk7', path: '/e' },
    ],
    net: [{ id: 'net-lan', mac: '02:00:00:00:00:0A', host_mac: '52:00:00:00:00:01', tap: 'x' }],
    console: { mode: 'Pty', file: '/dev/pts/3' },
    vsock: null,
  };
  const info = toVmInfo({
    config,
    state: 'Running',
    memory_actual_size: 384,
    device_tree: { 'disk-root': {}, __rng: {} },
  });
  t.strictSame(info === undefined ? undefined : toVmShape(info), {
    cpus: 2,
    cpusMax: 4,
    memoryBytes: 384,
    memoryMaxBytes: 512,
    disks: { root: null, _disk7: null },
    nics: { lan: '02:00:00:00:00:0a' },
  });
  t.equal(info?.consolePty, '/dev/pts/3');
  t.ok(info?.devices.has('disk-root'));
});

t.test('null and absent are the same', async (t) => {
  const nulls = {
    state: 'Created',
    config: {
      cpus: { boot_vcpus: 1, max_vcpus: 1 },
      memory: { size: 1, hotplug_size: null },
      disks: null,
      net: null,
      platform: null,
    },
    device_tree: null,
  };
  const absent = { state: 'Created', config: { cpus: { boot_vcpus: 1, max_vcpus: 1 }, memory: { size: 1 } } };
  const { devices: _one, ...fromNulls } = toVmInfo(nulls) ?? { devices: undefined };
  const { devices: _other, ...fromAbsent } = toVmInfo(absent) ?? { devices: undefined };
  t.strictSame(fromNulls, fromAbsent);
  t.notOk(toVmInfo(nulls)?.devices.has('x'));
});

t.test('what is no state of a VM is not read as one', async (t) => {
  for (const reply of [
    undefined,
    null,
    3,
    'x',
    [],
    {},
    { state: 'Running' },
    { config: {} },
    { state: 1, config: {} },
  ]) {
    t.equal(toVmInfo(reply), undefined, JSON.stringify(reply));
  }
});

t.test('the command line serves the API and nothing else', async (t) => {
  const argv = vmmArgv('/bin/cloud-hypervisor', files);
  t.strictSame(argv, [
    '/bin/cloud-hypervisor',
    '--api-socket',
    'path=/r/api.sock',
    '--event-monitor',
    'path=/d/events.log',
  ]);
  t.ok(servesSocket(['nsenter', '--', ...argv], '/r/api.sock'));
  t.notOk(servesSocket(argv, '/r/api.sock2'));
  t.notOk(servesSocket(argv, '/r/api'));
  t.notOk(servesSocket(['grep', 'path=/r/api.sock'], '/r/api.sock'));
});
