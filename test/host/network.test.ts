// Real links, a real packet filter, a real uplink; guests are network namespaces on the bridges.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bridgeMac, bridgeName, tapName, uplink } from '../../src/core/link-names.ts';
import type { SandboxAttrs } from '../../src/core/state/attrs.ts';
import type { SandboxFacts } from '../../src/core/state/facts.ts';
import { run } from '../../src/host/exec.ts';
import { endProcess } from '../../src/host/processes.ts';
import { programPath } from '../../src/host/programs.ts';
import {
  applyForwards,
  applyRules,
  ensureBridge,
  ensureTaps,
  enterArgv,
  observeSpace,
  removeBridge,
  removeTaps,
  type SpaceRef,
  startUplink,
} from '../../src/host/space.ts';
import { type Guest, plugGuest, probeWith, startServer } from '../support/netns-guest.ts';
import { attrsOf, type OpenedSpace, openedSpace } from '../support/test-space.ts';
import { insideWorld, inWorlds } from '../support/worlds.ts';

/** Network → where its bridge is; `lan` and `dmz` are nat, `iso` is isolated. */
const networks = {
  lan: { mode: 'nat', subnet: '10.68.0.0/24' },
  dmz: { mode: 'nat', subnet: '10.69.0.0/24' },
  iso: { mode: 'isolated', subnet: '10.70.0.0/24' },
} as const;
type NetworkName = keyof typeof networks;

if (insideWorld) await networkTests();
else await inWorlds(t, import.meta.url);

async function networkTests(): Promise<void> {
  await t.test('links', linkTests);
  await t.test('neighbours', neighbourTests);
  await t.test('packet filter', filterTests);
  await t.test('who reaches whom', matrixTests);
  await t.test('published ports', forwardTests);
}

async function linkTests(t: Test): Promise<void> {
  const { options, facts, space } = await openedSpace(t);
  const see = async () => (await observeSpace(facts, { runDir: options.runDir, rules: 'skip' })).links;
  const lan = bridgeSpec('lan');
  const taps = ['vm.a', 'vm.b'].map((vm) => ({ ifname: tapName(vm, 'lan'), bridge: lan.ifname, ownerUid: 0 }));
  const [first = taps[0], second = taps[1]] = taps;
  const tap = { kind: 'tap', master: lan.ifname, up: true } as const;

  await t.test('a bridge and its taps are made and seen, twice the same', async (t) => {
    for (const _ of [1, 2]) {
      await ensureBridge(space, lan);
      await ensureTaps(space, taps);
      t.same(await see(), {
        [lan.ifname]: { kind: 'bridge', up: true },
        ...Object.fromEntries(taps.map(({ ifname }) => [ifname, tap])),
      });
    }
  });

  await t.test('a tap belongs to its user, persists and has a header for offloads', async (t) => {
    const shown = await inside(space, ['ip', '-d', 'link', 'show', first?.ifname ?? '']);
    t.match(shown, /tun type tap .*vnet_hdr on persist on user root/);
  });

  await t.test('a bridge has its own address and forwards at once', async (t) => {
    const shown = await inside(space, ['ip', '-d', 'addr', 'show', lan.ifname]);
    t.match(shown, new RegExp(`link/ether ${lan.mac}`));
    t.match(shown, /stp_state 0 .*mcast_snooping 0/);
    t.match(shown, /inet 10\.68\.0\.1\/24/);
    t.notMatch(shown, /inet6/);
  });

  await t.test('a bridge moves to another address and leaves the old one', async (t) => {
    await ensureBridge(space, { ...lan, address: '10.68.0.254', mtu: 1400 });
    const shown = await inside(space, ['ip', 'addr', 'show', lan.ifname]);
    t.match(shown, /mtu 1400[\s\S]*inet 10\.68\.0\.254\/24/);
    t.notMatch(shown, /10\.68\.0\.1\//);
    await ensureBridge(space, lan);
  });

  await t.test('what somebody took away is missing, and comes back', async (t) => {
    await inside(space, ['ip', 'link', 'del', first?.ifname ?? '']);
    await inside(space, ['ip', 'link', 'set', second?.ifname ?? '', 'nomaster', 'down']);
    t.same(await see(), {
      [lan.ifname]: { kind: 'bridge', up: true },
      [second?.ifname ?? '']: { kind: 'tap', up: false },
    });
    await ensureTaps(space, taps);
    t.same((await see())[first?.ifname ?? ''], tap);
    t.same((await see())[second?.ifname ?? ''], tap);
  });

  await t.test('a tap without its bridge is an error that names it', async (t) => {
    const stray = { ifname: tapName('vm.c', 'lan'), bridge: bridgeName('absent'), ownerUid: 0 };
    await t.rejects(ensureTaps(space, [stray]), { code: 'SBX6004', message: new RegExp(stray.bridge) });
    await removeTaps(space, [stray.ifname]);
  });

  await t.test('removing is silent about what is not there', async (t) => {
    for (const _ of [1, 2]) {
      await removeTaps(
        space,
        taps.map(({ ifname }) => ifname),
      );
      await removeBridge(space, lan.ifname);
      t.same(await see(), {});
    }
  });
}

/** The namespace speaks to the machine that an address belongs to, whoever else claims it. */
async function neighbourTests(t: Test): Promise<void> {
  const { space } = await openedSpace(t);
  const lan = bridgeSpec('lan');
  await ensureBridge(space, lan);
  const ip = '10.68.0.10';
  const mac = '02:53:42:58:00:01';
  const plug = async (name: string): Promise<Guest> => {
    const ends = { bridge: lan.ifname, ip, gateway: lan.address };
    const guest = await plugGuest(space, { name, ifname: tapName(`vm.${name}`, 'lan'), ...ends });
    t.teardown(() => guest.end());
    await guest.serve('tcp', 80);
    return guest;
  };
  const ask = () => probeWith(enterArgv(space), 'tcp', ip, 80);
  const old = await plug('old');
  t.match(await ask(), /^old /);

  const tap = { ifname: tapName('vm.young', 'eth'), bridge: lan.ifname, ownerUid: 0, neighbour: { ip, mac } };
  await ensureTaps(space, [tap]);
  t.notMatch(await ask(), /^old /, 'the address has another owner now, and the old one is not asked any more');
  const young = await plug('young');
  await young.run([programPath('ip'), 'link', 'set', 'eth0', 'address', mac]);
  t.match(await ask(), /^young /);
  await old.ping(lan.address);
  await old.run(['busybox', 'arping', '-U', '-c', '1', '-I', 'eth0', ip]);
  t.match(await ask(), /^young /, 'whatever the old one says of itself');
  await ensureBridge(space, lan);
  t.match(await inside(space, ['ip', 'neigh', 'show', ip]), /PERMANENT/, 'a bridge that stays forgets nobody');
  const bridge = lan.ifname;
  for (const _ of [1, 2]) await removeTaps(space, [tap.ifname], [{ bridge, ip }]);
  t.notMatch(await inside(space, ['ip', 'neigh', 'show', ip]), /PERMANENT/, 'what goes is forgotten');
  await removeTaps(space, [tap.ifname], [{ bridge: bridgeName('absent'), ip }]);
}

async function filterTests(t: Test): Promise<void> {
  const { options, facts, space } = await openedSpace(t);
  const attrs = attrsOf(networks, [{ hostPort: 8080, guestIp: '10.68.0.10', guestPort: 80 }]);
  const see = async () => (await observeSpace(facts, { runDir: options.runDir, rules: 'read' })).rules;

  t.equal(await see(), 'absent', 'before');
  await applyRules(space, attrs, options.runDir);
  t.equal(await see(), 'present', 'after');
  await applyRules(space, attrs, options.runDir);
  t.equal(await see(), 'present', 'after a second time');

  for (const [what, words] of [
    ['a rule less before the uplink', ['flush', 'table', 'inet', 'sbx_uplink']],
    ['a table of somebody', ['add', 'table', 'ip', 'somebody']],
    ['a rule more', ['add', 'rule', 'inet', 'sbx', 'forward', 'accept']],
    ['an element more', ['add', 'element', 'inet', 'sbx', 'tcp_ports', '{ 22 }']],
    ['an element less', ['delete', 'element', 'inet', 'sbx', 'tcp_targets', '{ 8080 }']],
    ['a chain without rules', ['flush', 'chain', 'inet', 'sbx', 'egress']],
  ] as const) {
    await inside(space, ['nft', ...words]);
    t.equal(await see(), 'changed', what);
    if (what.startsWith('a table')) await inside(space, ['nft', 'delete', 'table', 'ip', 'somebody']);
    await applyRules(space, attrs, options.runDir);
    t.equal(await see(), 'present', `${what}: repaired`);
  }

  await inside(space, ['nft', 'flush', 'ruleset']);
  t.equal(await see(), 'absent', 'flushed');
  await applyRules(space, attrs, options.runDir);
  writeFileSync(join(options.runDir, 'rules.json'), '{"listing":');
  t.equal(await see(), 'changed', 'a damaged mark');
  await applyRules(space, attrsOf({}), options.runDir);
  t.equal(await see(), 'present', 'no networks at all');
}

interface Net extends OpenedSpace {
  readonly guests: Readonly<Record<'a' | 'b' | 'd' | 'i', Guest>>;
}

/** Guests: a and b in lan, d in dmz, i in iso; each listens on 80. */
async function wholeNet(t: Test, attrs: SandboxAttrs): Promise<Net> {
  const opened = await openedSpace(t);
  const { options, space } = opened;
  for (const name of Object.keys(networks)) await ensureBridge(space, bridgeSpec(name as NetworkName));
  const uplinkRef = await startUplink(space, { runDir: options.runDir, logPath: join(options.home, 'uplink.log') });
  await applyRules(space, attrs, options.runDir);
  await applyForwards(attrs, options.runDir);
  const plug = async (name: string, network: NetworkName, last: number): Promise<Guest> => {
    const { ifname, address } = bridgeSpec(network);
    const ip = networks[network].subnet.replace('0/24', String(last));
    const guest = await plugGuest(space, {
      name,
      bridge: ifname,
      ifname: tapName(name, network),
      ip,
      gateway: address,
    });
    t.teardown(() => guest.end());
    await guest.serve('tcp', 80);
    await guest.serve('udp', 80);
    return guest;
  };
  const [a, b, d, i] = [
    await plug('a', 'lan', 10),
    await plug('b', 'lan', 11),
    await plug('d', 'dmz', 10),
    await plug('i', 'iso', 10),
  ];
  return { ...opened, facts: { ...opened.facts, uplink: uplinkRef }, guests: { a, b, d, i } };
}

async function matrixTests(t: Test): Promise<void> {
  const { space, guests } = await wholeNet(t, attrsOf(networks));
  const { a, b, d, i } = guests;
  const here = (argv: readonly string[]): readonly string[] => argv;
  for (const [address, port] of [
    ['127.0.0.1', 9001],
    ['192.0.2.1', 9002],
    ['0.0.0.0', 9003],
  ] as const) {
    const server = await startServer(here, 'tcp', address, port, 'host');
    t.teardown(() => endProcess(server));
  }
  const inSpace = await startServer(enterArgv(space), 'tcp', '0.0.0.0', 9004, 'space');
  t.teardown(() => endProcess(inSpace));
  t.equal(await probeWith(here, 'tcp', '192.0.2.1', 9002), 'host 192.0.2.1', 'the host reaches itself');
  t.equal(await probeWith(enterArgv(space), 'tcp', '10.68.0.10', 80), 'a 10.68.0.1', 'sbx reaches a guest');

  const refused = /^(ECONNREFUSED|timeout|EHOSTUNREACH|ENETUNREACH|EACCES|ECONNRESET)$/;
  const cases: readonly [string, Guest, 'tcp' | 'udp', string, number, string | RegExp][] = [
    ['a guest reaches its neighbour', a, 'tcp', b.ip, 80, 'b 10.68.0.10'],
    ['by UDP too', a, 'udp', b.ip, 80, 'b 10.68.0.10'],
    ['another network is refused', a, 'tcp', d.ip, 80, refused],
    ['by UDP too', a, 'udp', d.ip, 80, refused],
    ['an isolated network is refused', a, 'tcp', i.ip, 80, refused],
    ['from an isolated network, others are refused', i, 'tcp', a.ip, 80, refused],
    ['nat reaches the outside', a, 'tcp', '192.0.2.2', 8000, 'outside 192.0.2.1'],
    ['by UDP too', a, 'udp', '192.0.2.2', 8000, 'outside 192.0.2.1'],
    ['every nat network does', d, 'tcp', '192.0.2.2', 8000, 'outside 192.0.2.1'],
    ['an isolated network does not', i, 'tcp', '192.0.2.2', 8000, refused],
    ['nor by UDP', i, 'udp', '192.0.2.2', 8000, refused],
    ["the host's own address is refused", a, 'tcp', '192.0.2.1', 9002, refused],
    ['also for what listens everywhere', a, 'tcp', '192.0.2.1', 9003, refused],
    ["the host's loopback is not reached through the gateway", a, 'tcp', uplink.gateway, 9001, refused],
    ["nor through the uplink's own address", a, 'tcp', uplink.address, 9004, refused],
    ['nor by the loopback address', a, 'tcp', '127.0.0.1', 9001, refused],
    ['the namespace serves nothing on the gateway address', a, 'tcp', '10.68.0.1', 9004, refused],
    ['nor on that of another network', a, 'tcp', '10.69.0.1', 9004, refused],
    ['nor on link-local addresses', a, 'tcp', '169.254.169.254', 80, refused],
  ];
  for (let at = 0; at < cases.length; at += 6) {
    const some = cases.slice(at, at + 6);
    const answers = await Promise.all(
      some.map(([, from, protocol, address, port]) => from.probe(protocol, address, port)),
    );
    for (const [index, [what, from, protocol, address, port, answer]] of some.entries())
      t.match(answers[index], answer, `${what}: ${from.ip} to ${address}:${port}/${protocol}`);
  }
  // Whatever its address, what is sent to the uplink's subnet would end at the host's loopback, but for the name server.
  const other = '10.0.2.77';
  await inside(space, ['ip', 'neigh', 'replace', other, 'lladdr', '52:55:0a:00:02:02', 'dev', uplink.ifname]);
  for (const address of [uplink.gateway, uplink.dns, other])
    for (const port of [9001, 9003])
      t.match(await probeWith(enterArgv(space), 'tcp', address, port), 'timeout', `VMMs do not either by ${address}`);
  t.match(await inside(space, ['cat', '/proc/sys/net/ipv6/conf/all/disable_ipv6']), /^1/, 'nor by IPv6');

  t.ok(await a.ping('10.68.0.1'), 'a guest pings its gateway');
  t.ok(await i.ping('10.70.0.1'), 'an isolated one too');
  t.notOk(await a.ping('10.69.0.1'), 'but not the gateway of another network');
  await inside(space, ['ip', 'route', 'add', '203.0.113.0/24', 'dev', bridgeName('lan')]);
  await a.run([programPath('ip'), 'addr', 'add', '203.0.113.9/32', 'dev', 'eth0']);
  t.ok(await a.ping('10.68.0.1', a.ip), 'a guest pings with its address');
  t.notOk(await a.ping('10.68.0.1', '203.0.113.9'), 'an address from elsewhere is no source');
}

async function forwardTests(t: Test): Promise<void> {
  const forward = (hostPort: number, guestPort: number, more: object = {}) => ({
    hostPort,
    guestIp: '10.68.0.10',
    guestPort,
    ...more,
  });
  const attrs = attrsOf(networks, [
    forward(18080, 80),
    forward(18081, 80, { protocol: 'udp' }),
    forward(18080, 80, { hostIp: '192.0.2.1', guestIp: '10.68.0.11' }),
  ]);
  const net = await wholeNet(t, attrs);
  const { options, facts, space, guests } = net;
  const here = (argv: readonly string[]): readonly string[] => argv;
  const see = async (now: SandboxFacts = facts) =>
    observeSpace(now, { runDir: options.runDir, rules: 'skip' }).then(({ uplink, forwards }) => ({
      uplink,
      forwards: [...forwards].sort(),
    }));
  const all = [
    '127.0.0.1:18080/tcp→10.68.0.10:80',
    '127.0.0.1:18081/udp→10.68.0.10:80',
    '192.0.2.1:18080/tcp→10.68.0.11:80',
  ];

  t.same(await see(), { uplink: 'present', forwards: all });
  t.match(await probeWith(here, 'tcp', '127.0.0.1', 18080), /^a 10\.0\.2\.2/, 'a port on loopback');
  t.match(await probeWith(here, 'udp', '127.0.0.1', 18081), /^a 10\.0\.2\.2/, 'a UDP port');
  t.match(await probeWith(here, 'tcp', '192.0.2.1', 18080), /^b /, 'the same port on another address');
  t.match(await probeWith(here, 'udp', '192.0.2.1', 18081), 'ECONNREFUSED', 'loopback only is loopback only');
  t.match(await guests.i.probe('tcp', uplink.address, 18080), /ECONN|timeout/, 'not from within');

  await t.test('what is withdrawn is closed, what stays is not touched', async (t) => {
    const fewer = attrsOf(networks, [forward(18080, 80), forward(18082, 80)]);
    await applyRules(space, fewer, options.runDir);
    await applyForwards(fewer, options.runDir);
    t.same((await see()).forwards, ['127.0.0.1:18080/tcp→10.68.0.10:80', '127.0.0.1:18082/tcp→10.68.0.10:80']);
    t.match(await probeWith(here, 'tcp', '127.0.0.1', 18082), /^a /);
    t.match(await probeWith(here, 'tcp', '192.0.2.1', 18080), 'ECONNREFUSED');
  });

  await t.test('a port that is taken is an error that names it, and the others are opened', async (t) => {
    const other = await startServer(here, 'tcp', '127.0.0.1', 18083, 'other');
    t.teardown(() => endProcess(other));
    const more = attrsOf(networks, [forward(18083, 80), forward(18084, 80)]);
    await applyRules(space, more, options.runDir);
    await t.rejects(applyForwards(more, options.runDir), { code: 'SBX6006', message: /127\.0\.0\.1:18083\/tcp/ });
    t.same((await see()).forwards, ['127.0.0.1:18084/tcp→10.68.0.10:80']);
  });

  await t.test('an uplink that was killed is seen, started anew and given its ports again', async (t) => {
    await applyRules(space, attrs, options.runDir);
    await applyForwards(attrs, options.runDir);
    if (facts.uplink !== undefined) await endProcess(facts.uplink, 0);
    t.same(await see(), { uplink: 'absent', forwards: [] });
    t.equal(await guests.a.probe('tcp', '192.0.2.2', 8000), 'ENETUNREACH');
    const logPath = join(options.home, 'uplink.log');
    const again = await startUplink(space, { runDir: options.runDir, logPath, ...current(facts) });
    t.same(await see({ ...facts, uplink: again }), { uplink: 'present', forwards: [] });
    await applyForwards(attrs, options.runDir);
    t.same((await see({ ...facts, uplink: again })).forwards, all);
    t.match(await probeWith(here, 'tcp', '127.0.0.1', 18080), /^a /);
    t.equal(await guests.a.probe('tcp', '192.0.2.2', 8000), 'outside 192.0.2.1');
    t.same(await startUplink(space, { runDir: options.runDir, logPath, current: again }), again, 'and only once');
  });
}

function current(facts: SandboxFacts): { current?: NonNullable<SandboxFacts['uplink']> } {
  return facts.uplink === undefined ? {} : { current: facts.uplink };
}

function bridgeSpec(network: NetworkName): { ifname: string; address: string; prefix: number; mac: string } {
  const address = networks[network].subnet.replace('0/24', '1');
  return { ifname: bridgeName(network), address, prefix: 24, mac: bridgeMac(network) };
}

async function inside(space: SpaceRef, words: readonly string[]): Promise<string> {
  const [program = '', ...rest] = words;
  return run(enterArgv(space)([programPath(program), ...rest]));
}
