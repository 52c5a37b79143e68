import t from 'tap';
import type { QmpReply } from '../../../src/vmm/qemu/client.ts';
import { freeSlot, toCpuSlots, toShape } from '../../../src/vmm/qemu/convert.ts';

const ok = (value: unknown): QmpReply => ({ ok: true, value });
const refused: QmpReply = { ok: false, errorClass: 'GenericError', description: 'no' };

const cpu = (core: number, path?: string) => ({
  props: { 'core-id': core, 'thread-id': 0, 'socket-id': 0 },
  'vcpus-count': 1,
  type: 'max-x86_64-cpu',
  ...(path === undefined ? {} : { 'qom-path': path }),
});

const answers = {
  cpus: ok([cpu(1), cpu(0, '/machine/unattached/device[0]')]),
  summary: ok({ 'base-memory': 1000, 'plugged-memory': 0 }),
  devices: ok([
    { type: 'virtio-mem', data: { memdev: '/objects/hot-5000', size: 0, 'requested-size': 200, 'max-size': 8192 } },
  ]),
  blocks: ok([
    {
      device: '',
      qdev: '/machine/peripheral/disk-root/virtio-backend',
      inserted: { 'node-name': 'node-root', image: { 'virtual-size': 4096 } },
    },
    { device: '', qdev: '/machine/peripheral/disk-odd/virtio-backend' },
    { device: 'floppy0', qdev: '/machine/unattached/device[7]' },
  ]),
  filters: ok([
    { name: 'nic-lan', 'main-mac': '52:54:00:00:00:01' },
    { name: 'other', 'main-mac': '52:54:00:00:00:02' },
  ]),
};

t.test('a shape is read from the answers; memory is what the guest was asked to have', async (t) => {
  t.strictSame(toShape(Object.values(answers)), {
    cpus: 1,
    cpusMax: 2,
    memoryBytes: 1200,
    memoryMaxBytes: 5000,
    disks: { root: 4096, odd: null },
    nics: { lan: '52:54:00:00:00:01' },
  });
});

t.test('without room to grow, the size is also the maximum', async (t) => {
  t.match(toShape(Object.values({ ...answers, devices: ok([]) })), { memoryBytes: 1000, memoryMaxBytes: 1000 });
});

t.test('a shape is all or nothing', async (t) => {
  for (const key of ['cpus', 'summary', 'devices', 'blocks', 'filters'])
    t.equal(toShape(Object.values({ ...answers, [key]: refused })), undefined, `${key} refused`);
  t.equal(toShape(Object.values({ ...answers, summary: ok('text') })), undefined);
  t.equal(toShape(Object.values({ ...answers, cpus: ok({}) })), undefined);
  t.equal(toShape([]), undefined);
});

t.test('places for vCPUs come in the order in which they are filled', async (t) => {
  t.strictSame(
    toCpuSlots([cpu(10), cpu(2), cpu(0, '/a'), cpu(1, '/b')]).map(({ index, props, path }) => [
      index,
      props['core-id'],
      path,
    ]),
    [
      [0, 0, '/a'],
      [1, 1, '/b'],
      [2, 2, undefined],
      [3, 10, undefined],
    ],
  );
});

const bridge = (slots: readonly number[]) => [
  {
    bus: 0,
    devices: [
      { slot: 0, qdev_id: '' },
      { slot: 1, qdev_id: 'hp', pci_bridge: { devices: slots.map((slot) => ({ slot, qdev_id: '' })) } },
      { slot: 2, qdev_id: 'vs' },
    ],
  },
];

t.test('the lowest free slot is taken, on the bus that the VM was started with', async (t) => {
  t.match(freeSlot(bridge([1, 2, 4])), { bus: { bus: 'hp' }, slot: 3 });
  t.match(freeSlot(bridge([])), { bus: { bus: 'hp' }, slot: 2 }, 'the first slot is kept for memory');
  const plain = [{ bus: 0, devices: [0, 1, 2, 3, 4, 6].map((slot) => ({ slot, qdev_id: '' })) }];
  t.match(freeSlot(plain), { bus: { bus: 'pci.0' }, slot: 7 });
  t.equal(freeSlot(bridge(Array.from({ length: 31 }, (_, index) => index + 1))), undefined);
});
