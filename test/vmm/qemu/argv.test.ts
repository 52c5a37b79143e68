import t from 'tap';
import type { NicSpec, VmSpec } from '../../../src/vmm/driver.ts';
import { qemuArgv } from '../../../src/vmm/qemu/argv.ts';
import { qemuCapabilities } from '../../../src/vmm/qemu/capabilities.ts';
import { netdevArguments, netdevOption } from '../../../src/vmm/qemu/netdev.ts';
import { matchesGolden } from '../../support/golden.ts';

const mebibyte = 1024 * 1024;

const tap: NicSpec = { id: 'lan', mac: '52:54:00:00:00:01', connection: { type: 'tap', ifname: 'sbx0123456789' } };

const user: NicSpec = {
  id: 'lan',
  mac: '52:54:00:00:00:02',
  connection: {
    type: 'user',
    isolated: false,
    forwards: [{ hostIp: '127.0.0.1', hostPort: 8080, guestPort: 80, protocol: 'tcp' }],
    guest: { ip: '10.68.0.10', prefix: 24, gateway: '10.68.0.1' },
  },
};

const full: VmSpec = {
  name: 'sbx-shop-db',
  uuid: '6f1f1b1c-0000-4000-8000-000000000001',
  paths: { run: '/run/sbx/shop/db', data: '/var/lib/sbx/shop/db' },
  kernel: '/images/vmlinux',
  initrd: '/images/initrd.gz',
  cmdline: 'console=ttyS0 quiet panic=-1',
  cpus: { count: 2, max: 4 },
  memory: { sizeBytes: 512 * mebibyte, maxBytes: 2048 * mebibyte },
  disks: [
    { id: 'root', path: '/var/lib/sbx/shop/db/root.img', format: 'raw', readonly: false },
    { id: 'data', path: '/var/lib/sbx/volumes/a,b.raw', format: 'raw', readonly: true },
  ],
  nics: [tap],
};

const { initrd: _initrd, ...withoutInitrd } = full;
const least: VmSpec = {
  ...withoutInitrd,
  cpus: { count: 1, max: 1 },
  memory: { sizeBytes: 96 * mebibyte, maxBytes: 96 * mebibyte },
  disks: [],
  nics: [],
};

const cases = [
  { name: 'everything, emulated', file: 'full-tcg', spec: full, version: '7.2.22', acceleration: 'tcg' },
  { name: 'everything, with KVM', file: 'full-kvm', spec: full, version: '10.0.2', acceleration: 'kvm' },
  { name: 'everything, on the pc machine', file: 'full-pc', spec: full, version: '6.2.0', acceleration: 'tcg' },
  { name: 'the least', file: 'least', spec: least, version: '7.2.22', acceleration: 'tcg' },
  { name: 'a user network', file: 'user', spec: { ...least, nics: [user] }, version: '7.2.22', acceleration: 'tcg' },
] as const;

for (const { name, file, spec, version, acceleration } of cases) {
  t.test(`command line: ${name}`, async (t) => {
    const argv = qemuArgv(spec, qemuCapabilities('/usr/bin/qemu-system-x86_64', version, acceleration));
    matchesGolden(t, `qemu/${file}.txt`, `${argv.join(' ').replaceAll(' -', '\n-')}\n`);
  });
}

t.test('the region for growth holds whole memory blocks, and its name the maximum of the file', async (t) => {
  const spec = { ...least, memory: { sizeBytes: 192 * mebibyte, maxBytes: 256 * mebibyte } };
  const argv = qemuArgv(spec, qemuCapabilities('/qemu', '7.2.22', 'tcg'));
  t.ok(argv.includes(`memory-backend-ram,id=hot-${256 * mebibyte},size=${128 * mebibyte}B,reserve=off`));
  t.ok(argv.includes(`size=${192 * mebibyte}B,maxmem=${320 * mebibyte}B`));
});

t.test('no slot is used twice, and none but by a device of ours', async (t) => {
  for (const version of ['6.2.0', '7.2.22']) {
    const argv = qemuArgv(full, qemuCapabilities('/qemu', version, 'tcg'));
    const slots = argv.flatMap((word) => /bus=([\w.]+),addr=(\w+)/.exec(word)?.slice(1).join(' ') ?? []);
    t.equal(slots.length, argv.filter((word) => /^(virtio|pvpanic|pcie)[\w-]+,/.test(word)).length);
    t.equal(new Set(slots).size, slots.length);
  }
});

t.test('the arguments of netdev_add say what the command line says', async (t) => {
  t.strictSame(netdevArguments(tap), {
    type: 'tap',
    id: 'net-lan',
    ifname: 'sbx0123456789',
    script: 'no',
    downscript: 'no',
  });
  t.strictSame(netdevArguments(user), {
    type: 'user',
    id: 'net-lan',
    net: '10.68.0.0/24',
    host: '10.68.0.1',
    dhcpstart: '10.68.0.10',
    dns: '10.68.0.254',
    hostfwd: [{ str: 'tcp:127.0.0.1:8080-10.68.0.10:80' }],
  });
});

t.test('an isolated user network leads nowhere', async (t) => {
  const nic = { ...user, connection: { type: 'user', isolated: true, forwards: [] } } as const;
  t.match(netdevArguments(nic), { restrict: true });
  t.match(netdevOption(nic), /^user,id=net-lan,restrict=on$/);
  const guest = { ip: '10.0.0.6', prefix: 29, gateway: '10.0.0.5' };
  const whole: NicSpec = { ...user, connection: { ...nic.connection, guest } };
  t.match(netdevArguments(whole), { restrict: true, net: '10.0.0.0/29' });
  t.match(netdevOption(whole), /,restrict=on,net=/);
});

t.test('the resolver of a user network is never the guest or its gateway', async (t) => {
  const guest = { ip: '10.0.0.6', prefix: 29, gateway: '10.0.0.5' };
  const nic: NicSpec = { ...user, connection: { type: 'user', isolated: false, forwards: [], guest } };
  t.match(netdevArguments(nic), { net: '10.0.0.0/29', dns: '10.0.0.4' });
  const tight = { ip: '10.0.0.2', prefix: 30, gateway: '10.0.0.1' };
  const small: NicSpec = { ...user, connection: { type: 'user', isolated: false, forwards: [], guest: tight } };
  t.match(netdevArguments(small), { net: '10.0.0.0/30', dns: undefined });
});
