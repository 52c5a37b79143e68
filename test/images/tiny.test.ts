// The tiny image for real: built from the distribution's packages, booted under emulation, asked what it sees.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { type AgentSession, waitForAgent } from '../../src/guest/agent.ts';
import { copyIn, copyOut } from '../../src/guest/copy.ts';
import { makeHostKey, makeUserKey } from '../../src/guest/keys.ts';
import { buildSeed, type SeedContent } from '../../src/guest/seed.ts';
import { knownHosts, type SshTarget, sshArgv } from '../../src/guest/ssh.ts';
import { streamCommand } from '../../src/guest/stream.ts';
import { tryRun } from '../../src/host/exec.ts';
import { type BuiltImage, ensureImage, verifyImage } from '../../src/images/cache.ts';
import { imageDigest } from '../../src/images/digest.ts';
import { createDisk } from '../../src/images/disks.ts';
import { type QemuGuest, startQemuGuest, until } from '../support/qemu-guest.ts';

const recipesDir = resolve('images');
const mac = '52:54:00:5b:00:01';
const needed = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb', '/usr/bin/qemu-system-x86_64'];
const missing = needed.filter((path) => !existsSync(path));
const source = { type: 'build', recipe: 'tiny' } as const;

t.setTimeout(600_000);

t.test('the tiny image', { skip: missing.length > 0 && `not on this host: ${missing.join(', ')}` }, async (t) => {
  // A cache that outlives the run may be given: a build costs 40 MB of downloads.
  const given = process.env['SBX_TEST_CACHE'];
  const folder = mkdtempSync(join(tmpdir(), 'sbx-tiny-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const cacheDir = given ?? join(folder, 'cache');
  const image = await ensureImage(source, { cacheDir, recipesDir });

  await t.test('is built once, whole, and found again by its digest', async (t) => {
    const again = await ensureImage(source, {
      cacheDir,
      recipesDir,
      onProgress: (text) => t.fail(`built again: ${text}`),
    });
    t.strictSame(again, image);
    const { digest, cached, diskBytes } = await imageDigest(source, { cacheDir, recipesDir });
    t.ok(cached);
    t.equal(digest, image.cacheKey);
    t.equal(diskBytes, image.disk?.sizeBytes);
    const manifest = await verifyImage(cacheDir, digest);
    t.ok(manifest?.packages.some(({ name }) => name.startsWith('linux-image-')));
    t.ok(manifest?.packages.every(({ version, sha256 }) => version !== '' && /^[0-9a-f]{64}$/.test(sha256)));
  });

  const keys = makeKeys(folder);
  await t.test('runs from memory', async (t) => {
    const guest = await startQemuGuest(image, { seed: buildSeed(keys.seed), mac });
    t.teardown(guest.kill);
    const agent = await waitForAgent(guest.openAgent, { timeoutMs: 60_000 });
    const bootMs = performance.now() - guest.startedAt;
    t.comment(`agent after ${(bootMs / 1000).toFixed(2)} s`);
    await checkSeed(t, agent);
    await checkAnnouncement(t, join(guest.folder, 'net0.pcap'), mac, '10.0.2.15');
    await checkGrowth(t, agent, guest);
    await checkSsh(t, guest, keys, folder);
    await checkHotplug(t, agent, guest, keys, folder);
    agent.close();
    await checkPowerButton(t, guest);
  });

  await t.test('runs from a disk that keeps what was written', async (t) => {
    const disk = await rootDisk(image, join(folder, 'root.raw'));
    const first = await startQemuGuest(image, { seed: buildSeed(keys.seed), mac, disks: [disk] });
    t.teardown(first.kill);
    const agent = await waitForAgent(first.openAgent, { timeoutMs: 60_000 });
    const bootMs = performance.now() - first.startedAt;
    t.comment(`agent after ${(bootMs / 1000).toFixed(2)} s`);
    t.match(await output(agent, 'grep " / " /proc/mounts; stat -c "%u %g" /bin/busybox'), / \/ ext4 [\s\S]*\n0 0\n$/);
    const blocks = Number(await output(agent, 'df -k / | awk "NR==2 {print \\$2}"'));
    t.ok(blocks > 700 * 1024, `the file system fills the grown disk: ${blocks} KiB`);
    await agent.writeFile('/root/kept', [Buffer.from('kept')]);
    await agent.shutdown('powerdown');
    agent.close();
    t.equal(await first.exited, 0);

    const second = await startQemuGuest(image, { seed: buildSeed(keys.seed), mac, disks: [disk] });
    t.teardown(second.kill);
    const later = await waitForAgent(second.openAgent, { timeoutMs: 60_000 });
    t.equal(await later.readText('/root/kept'), 'kept');
    later.close();
    await checkPowerButton(t, second);
  });

  await t.test('boots without a seed', async (t) => {
    const guest = await startQemuGuest(image, { mac });
    t.teardown(guest.kill);
    const agent = await waitForAgent(guest.openAgent, { timeoutMs: 60_000 });
    await agent.ping();
    agent.close();
  });
});

interface Keys {
  readonly seed: SeedContent;
  readonly keyPath: string;
  readonly knownHostsPath: string;
}

function makeKeys(folder: string): Keys {
  const user = makeUserKey('sbx test');
  const host = makeHostKey();
  const keyPath = join(folder, 'key');
  const knownHostsPath = join(folder, 'known_hosts');
  writeFileSync(keyPath, user.privateKey, { mode: 0o600 });
  writeFileSync(knownHostsPath, knownHosts(host.publicLine));
  const seed: SeedContent = {
    hostname: 'db.example',
    nics: [{ mac, ip: '10.0.2.15', prefix: 24, gateway: '10.0.2.2', dns: ['10.0.2.3'] }],
    hosts: [{ ip: '10.0.2.99', names: ['other', 'other.lan'] }],
    env: new Map([
      ['GREETING', 'it\'s $HOME "quoted"\nand long'],
      ['PLAIN', 'yes'],
    ]),
    authorizedKeys: [user.publicLine],
    hostKey: host.privateKey,
    files: [{ path: '/srv/deep/hello.txt', mode: 0o640, content: Buffer.from('hello from the seed') }],
  };
  return { seed, keyPath, knownHostsPath };
}

async function rootDisk(image: BuiltImage, path: string): Promise<{ serial: string; path: string }> {
  if (image.disk === undefined) throw new Error('the image has no disk');
  await createDisk(path, { type: 'image', disk: image.disk }, 1024 ** 3);
  return { serial: 'root', path };
}

async function output(agent: AgentSession, script: string): Promise<string> {
  const result = await agent.exec(['/bin/sh', '-c', script], { timeoutMs: 120_000 });
  return result.stdout.toString() + result.stderr.toString();
}

/** A guest tells its neighbours of its address, so that they forget who had it before: gratuitous ARP, unsolicited NA. */
async function checkAnnouncement(t: Test, dump: string, mac: string, ip: string): Promise<void> {
  const hardware = mac.replaceAll(':', '');
  const protocol = ip
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
  // Ethernet to everybody; ARP request for IPv4 over Ethernet, whose sender asks for its own address.
  const arp = new RegExp(`f{12}${hardware}0806000108000604000[12]${hardware}${protocol}.{12}${protocol}`);
  // Ethernet to all nodes; IPv6 with hop limit 255 to ff02::1; ICMPv6 type 136.
  const na = new RegExp(`333300000001${hardware}86dd.{12}3aff.{32}ff0200000000000000000000000000018800`);
  const heard = async () => readFileSync(dump).toString('hex');
  t.ok(await until(heard, (frames) => arp.test(frames) && na.test(frames)).then(Boolean), `${ip} was announced`);
}

async function checkSeed(t: Test, agent: AgentSession): Promise<void> {
  t.equal((await output(agent, 'hostname')).trim(), 'db.example');
  const cards = await agent.networkAddresses();
  t.strictSame(
    cards.find((card) => card.mac === mac)?.addresses.filter(({ ip }) => ip.includes('.')),
    [{ ip: '10.0.2.15', prefix: 24 }],
  );
  t.match(
    await output(agent, 'ip route; cat /etc/resolv.conf /etc/hosts'),
    /default via 10\.0\.2\.2[\s\S]*nameserver 10\.0\.2\.3[\s\S]*10\.0\.2\.99 other other\.lan/,
  );
  t.equal(await agent.readText('/srv/deep/hello.txt'), 'hello from the seed');
  t.equal(
    await output(agent, 'printf %s "$GREETING"; stat -c %a /srv/deep/hello.txt /root/.ssh/authorized_keys'),
    'it\'s $HOME "quoted"\nand long640\n600\n',
  );
  t.ok(Math.abs((await agent.time()) - Date.now()) < 60_000, 'its clock is right');
  const failing = await agent.exec(['sh', '-c', 'cat; echo oops >&2; exit 3'], {
    input: Buffer.from('in'),
    env: { A: 'b' },
  });
  t.match(failing, { exitCode: 3, stdout: Buffer.from('in'), stderr: Buffer.from('oops\n') });
  await t.rejects(agent.exec(['sleep', '4711'], { timeoutMs: 300 }), { code: 'SBX8003' });
  await t.resolves(
    until(
      () => output(agent, 'ps -o stat,args | grep -v ^Z | grep "[s]leep 4711" || true'),
      (left) => left === '',
    ),
    'it does not outlive the one who asked for it',
  );
  const big = Buffer.alloc(700_000, 'x');
  t.equal(await agent.writeFile('/tmp/big', [big]), big.length);
  const pieces: Buffer[] = [];
  for await (const piece of agent.readFile('/tmp/big')) pieces.push(piece);
  t.ok(Buffer.concat(pieces).equals(big), 'a file comes back as it went');
}

async function checkGrowth(t: Test, agent: AgentSession, guest: QemuGuest): Promise<void> {
  const rows = (await guest.qmp('query-hotpluggable-cpus')) as {
    type: string;
    props: { 'core-id'?: number; 'socket-id'?: number };
    'qom-path'?: string;
  }[];
  const free = rows.filter((row) => row['qom-path'] === undefined).at(-1);
  await guest.qmp('device_add', { driver: free?.type, id: 'cpu1', ...free?.props });
  const online = await until(
    async () => (await agent.getVcpus()).filter((cpu) => cpu.online).length,
    (count) => count === 2,
  );
  t.equal(online, 2, 'an added vCPU is switched on by the guest itself');
  t.equal(await agent.setVcpus(1), 1);
  t.equal(await agent.setVcpus(2), 2);

  const before = (await agent.memory()).totalBytes;
  await guest.qmp('qom-set', { path: '/machine/peripheral/mem0', property: 'requested-size', value: 256 * 1024 ** 2 });
  const grown = await until(
    async () => (await agent.memory()).totalBytes - before,
    (bytes) => bytes === 256 * 1024 ** 2,
  );
  t.equal(grown, 256 * 1024 ** 2, 'added memory is put to use by the guest itself');
  await guest.qmp('qom-set', { path: '/machine/peripheral/mem0', property: 'requested-size', value: 0 });
  t.equal(
    await until(
      async () => (await agent.memory()).totalBytes,
      (bytes) => bytes === before,
    ),
    before,
    'and given back',
  );
}

async function checkSsh(t: Test, guest: QemuGuest, keys: Keys, folder: string): Promise<void> {
  const target: SshTarget = { enter: (argv) => argv, ip: '127.0.0.1', port: guest.sshPort, ...keys };
  const hello = await tryRun(sshArgv(target, { command: ['printf', '%s|', "it's", 'a  b', '$PLAIN', '"'] }));
  t.match(hello, { code: 0, stdout: 'it\'s|a  b|$PLAIN|"|' });
  t.match(await tryRun(sshArgv(target, { command: ['sh', '-c', 'printf %s "$GREETING $PLAIN"; exit 7'] })), {
    code: 7,
    stdout: 'it\'s $HOME "quoted"\nand long yes',
  });
  const stranger = join(folder, 'stranger');
  writeFileSync(stranger, makeUserKey('stranger').privateKey, { mode: 0o600 });
  t.match(await tryRun(sshArgv({ ...target, keyPath: stranger }, { command: ['id'] })), {
    code: 255,
    stderr: /Permission denied/,
  });
  const impostor = join(folder, 'impostor');
  writeFileSync(impostor, knownHosts(makeHostKey().publicLine));
  t.match(await tryRun(sshArgv({ ...target, knownHostsPath: impostor }, { command: ['id'] })), {
    code: 255,
    stderr: /Host key verification failed/,
  });

  const run = (command: readonly string[]) => streamCommand(sshArgv(target, { command }));
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'sub'), { recursive: true });
  writeFileSync(join(tree, 'sub', '-odd name'), 'content');
  writeFileSync(join(tree, 'run.sh'), '#!/bin/sh\n');
  chmodSync(join(tree, 'run.sh'), 0o755);
  await copyIn(run, tree, '/srv');
  await copyIn(run, join(tree, 'run.sh'), '/srv/other name');
  const link = await tryRun(
    sshArgv(target, {
      command: ['sh', '-c', 'ln -s /etc/passwd /srv/tree/out; ln -s run.sh /srv/tree/in; stat -c %a "/srv/other name"'],
    }),
  );
  t.equal(link.stdout, '755\n');
  const back = await copyOut(run, '/srv/tree', join(folder, 'back'));
  t.strictSame(back.skipped, ['out']);
  t.equal(readFileSync(join(folder, 'back', 'sub', '-odd name'), 'utf8'), 'content');
  t.equal(statSync(join(folder, 'back', 'in')).mode & 0o777, 0o755);
  await t.rejects(copyOut(run, '/srv/none', folder), { code: 'SBX8005', message: /none/ });
}

async function checkHotplug(t: Test, agent: AgentSession, guest: QemuGuest, keys: Keys, folder: string): Promise<void> {
  const path = join(folder, 'data.raw');
  await createDisk(path, { type: 'empty' }, 64 * 1024 ** 2);
  await guest.qmp('blockdev-add', { driver: 'raw', 'node-name': 'hot', file: { driver: 'file', filename: path } });
  await guest.qmp('device_add', {
    driver: 'virtio-blk-pci',
    id: 'hotdisk',
    drive: 'hot',
    serial: 'data',
    bus: 'hp',
    addr: '14',
  });
  const link = '/dev/disk/by-id/virtio-data';
  await until(
    () => output(agent, `[ -b ${link} ] && echo there`),
    (text) => text === 'there\n',
  );
  t.equal(
    await output(agent, `mkfs.ext4 -q ${link} && mount ${link} /mnt && touch /mnt/x && ls /mnt && umount /mnt`),
    'lost+found\nx\n',
  );

  const card = '52:54:00:5b:00:02';
  const nics = [...keys.seed.nics, { mac: card, ip: '10.9.0.5', prefix: 16 }];
  writeFileSync(join(guest.folder, 'seed.img'), buildSeed({ ...keys.seed, nics }), { flag: 'r+' });
  await guest.qmp('netdev_add', { type: 'user', id: 'net1', restrict: true });
  const dump = join(guest.folder, 'net1.pcap');
  await guest.qmp('object-add', { 'qom-type': 'filter-dump', id: 'dump1', netdev: 'net1', file: dump });
  await guest.qmp('device_add', {
    driver: 'virtio-net-pci',
    id: 'dev-net1',
    netdev: 'net1',
    mac: card,
    romfile: '',
    bus: 'hp',
    addr: '15',
  });
  const address = async () => (await agent.networkAddresses()).find(({ mac }) => mac === card)?.addresses[0]?.ip;
  t.equal(
    await until(address, (ip) => ip === '10.9.0.5'),
    '10.9.0.5',
    'an added network card finds its address in the seed',
  );
  await checkAnnouncement(t, dump, card, '10.9.0.5');
}

async function checkPowerButton(t: Test, guest: QemuGuest): Promise<void> {
  const pressed = performance.now();
  await guest.qmp('system_powerdown');
  t.equal(await guest.exited, 0);
  const tookMs = performance.now() - pressed;
  t.comment(`off after ${(tookMs / 1000).toFixed(2)} s`);
}
