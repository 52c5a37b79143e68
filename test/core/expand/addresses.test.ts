import fc from 'fast-check';
import t from 'tap';
import { type Address, parseAddress } from '../../../src/core/address.ts';
import type { Allocations } from '../../../src/core/desired.ts';
import { macAddress } from '../../../src/core/expand/defaults.ts';
import { noAllocations } from '../../../src/core/expand/index.ts';
import { formatIp, formatSubnet, networkOf, overlap, parseIp, parseSubnet } from '../../../src/core/expand/ipv4.ts';
import { expandText, problemsOf, vmsOf, withImage } from '../../support/expanding.ts';

const lan = (subnet: string, vms: string, mode = 'nat') =>
  withImage(`networks: { lan: { subnet: ${subnet}, mode: ${mode} } }\nvms:\n${vms}`);
const allocations = (given: Partial<Allocations>): { allocations: Allocations } => ({
  allocations: { ...noAllocations, ...given },
});
const addressesOf = (text: string, given: Partial<Allocations> = {}) =>
  Object.values(vmsOf(text, allocations(given))).map(({ nics }) => nics.get('lan')?.ip);

t.test('IPv4 text and numbers go both ways', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(fc.property(fc.nat({ max: 2 ** 32 - 1 }), (value) => parseIp(formatIp(value)) === value)),
  );
  for (const bad of ['1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4.5', 'a', '']) t.equal(parseIp(bad), undefined, bad);
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/']) t.equal(parseSubnet(bad), undefined, bad);
  t.equal(formatSubnet(networkOf({ base: parseIp('10.1.2.3') ?? 0, prefix: 20 })), '10.1.0.0/20');
  t.ok(overlap({ base: 0, prefix: 8 }, { base: 256, prefix: 24 }));
  t.notOk(overlap({ base: 0, prefix: 24 }, { base: 256, prefix: 24 }));
});

t.test('explicit addresses come first, then earlier ones, then the lowest free from .10', async (t) => {
  const text = lan(
    '10.70.0.0/24',
    `  a: { image: base, networks: { lan: {} } }
  b: { image: base, networks: { lan: { address: 10.70.0.10 } } }
  c: { image: base, networks: { lan: {} } }
  d: { image: base, networks: { lan: {} } }
`,
  );
  t.strictSame(addressesOf(text), ['10.70.0.11', '10.70.0.10', '10.70.0.12', '10.70.0.13']);
  const earlier = new Map([
    ['vm.d/lan', '10.70.0.11'],
    ['vm.c/lan', '10.70.0.10'],
    ['vm.a/lan', '10.99.0.5'],
  ]);
  t.strictSame(
    addressesOf(text, { addresses: earlier }),
    ['10.70.0.12', '10.70.0.10', '10.70.0.13', '10.70.0.11'],
    'an earlier address stays unless it is taken or no longer in the subnet',
  );
});

t.test('a small subnet is used whole, and then it is full', async (t) => {
  const vms = (count: number) => `  web: { image: base, count: ${count}, networks: { lan: {} } }\n`;
  t.strictSame(addressesOf(lan('10.70.0.0/28', vms(13))).sort().length, 13);
  t.equal(new Set(addressesOf(lan('10.70.0.0/28', vms(13)))).size, 13, 'no two alike');
  t.strictSame(addressesOf(lan('10.70.0.0/30', vms(1))), ['10.70.0.2']);
  t.match(problemsOf(lan('10.70.0.0/28', vms(14))), [/^SBX2305/]);
});

t.test('addresses that cannot be are refused', async (t) => {
  for (const bad of ['10.70.0.0', '10.70.0.1', '10.70.0.255', '10.71.0.5', '10.70.0.300'])
    t.match(
      problemsOf(lan('10.70.0.0/24', `  a: { image: base, networks: { lan: { address: ${bad} } } }\n`)),
      [/^SBX2303/],
      bad,
    );
  const twice = `  a: { image: base, networks: { lan: { address: 10.70.0.5 } } }
  b: { image: base, networks: { lan: { address: 10.70.0.5 } } }
`;
  const found = expandText(lan('10.70.0.0/24', twice));
  t.match(found, {
    ok: false,
    diagnostics: [{ code: 'SBX2304', place: { line: 7 }, related: [{ place: { line: 6 } }] }],
  });
  const all = lan('10.70.0.0/24', '  a: { image: base, count: 2, networks: { lan: { address: 10.70.0.5 } } }\n');
  t.match(problemsOf(all), [/^SBX2304/], 'the same for every one of count');
});

t.test('subnets that cannot be are refused', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['10.70.0.5/24', /^SBX2301/],
    ['10.70.0.0/31', /^SBX2301/],
    ['10.0.0.0/7', /^SBX2301/],
    ['127.0.0.0/16', /^SBX2301/],
    ['224.0.0.0/16', /^SBX2301/],
    ['169.254.1.0/24', /^SBX2301/],
    ['10.0.2.0/24', /^SBX2301/],
    ['10.0.0.0/8', /^SBX2301/],
    ['300.0.0.0/8', /^SBX2301/],
  ];
  for (const [subnet, want] of cases)
    t.match(problemsOf(withImage(`networks: { a: { subnet: ${subnet} } }\n`)), [want], subnet);
  const two = withImage('networks: { a: { subnet: 10.70.0.0/16 }, b: { subnet: 10.70.3.0/24 } }\n');
  t.match(problemsOf(two), [/^SBX2302/]);
});

t.test('a network without a subnet gets a private one that stays', async (t) => {
  const text = withImage('networks: { a: {}, b: {}, c: { subnet: 10.64.0.0/13 } }\n');
  const subnets = (given: Partial<Allocations> = {}) => {
    const found = expandText(text, allocations(given));
    return found.ok
      ? [...found.value.resources.values()].flatMap((each) => (each.kind === 'network' ? [each.subnet] : []))
      : found.diagnostics;
  };
  const first = subnets();
  t.match(first, [/^10\.7[2-9]\.\d+\.0\/24$/, /^10\.7[2-9]\.\d+\.0\/24$/, '10.64.0.0/13']);
  t.strictSame(subnets(), first);
  const before = new Map([
    ['network.b' as Address, '192.168.7.0/24'],
    ['network.a' as Address, '10.64.1.0/24'],
  ]);
  const later = subnets({ subnets: before });
  t.strictSame(later.slice(1), ['192.168.7.0/24', '10.64.0.0/13'], 'an earlier one stays, unless it is taken now');
  t.equal(later[0], first[0]);
});

t.test('a MAC address is local, unicast and stable', async (t) => {
  const mac = macAddress('shop', 'vm.web[0]' as Address, 'lan');
  t.match(mac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
  t.equal(mac, macAddress('shop', 'vm.web[0]' as Address, 'lan'));
  t.not(mac, macAddress('shop@a', 'vm.web[0]' as Address, 'lan'), 'instances differ');
});

t.test('ports are published as written', async (t) => {
  const ports = (list: string, options = {}) =>
    vmsOf(lan('10.70.0.0/24', `  a: { image: base, networks: { lan: { ports: ${list} } } }\n`), options)[
      'vm.a'
    ]?.nics.get('lan')?.ports;
  const port = (hostIp: string, hostPort: number, guestPort: number, protocol = 'tcp') => ({
    hostIp,
    hostPort,
    guestPort,
    protocol,
  });
  t.strictSame(ports('[80]'), [port('127.0.0.1', 80, 80)]);
  t.strictSame(ports('["80/udp", "8080:80", "8080:80/udp"]'), [
    port('127.0.0.1', 80, 80, 'udp'),
    port('127.0.0.1', 8080, 80),
    port('127.0.0.1', 8080, 80, 'udp'),
  ]);
  t.strictSame(ports('["[::1]:8080:80"]'), [port('::1', 8080, 80)]);
  t.strictSame(ports('["3000-3002:4000-4002/udp"]'), [
    port('127.0.0.1', 3000, 4000, 'udp'),
    port('127.0.0.1', 3001, 4001, 'udp'),
    port('127.0.0.1', 3002, 4002, 'udp'),
  ]);
  t.strictSame(ports('["127.0.0.1:65534-65535:1-2", "7-7"]'), [
    port('127.0.0.1', 65_534, 1),
    port('127.0.0.1', 65_535, 2),
    port('127.0.0.1', 7, 7),
  ]);
  const picked = ports('["auto:80-82"]') ?? [];
  t.equal(new Set(picked.map(({ hostPort }) => hostPort)).size, 3, 'each port of a range gets one of its own');
  t.strictSame(
    picked.map(({ guestPort }) => guestPort),
    [80, 81, 82],
  );
  t.strictSame(ports('["0.0.0.0:8080:80"]', { allowPublicPorts: true }), [port('0.0.0.0', 8080, 80)]);
  const [auto] = ports('["auto:80"]') ?? [];
  t.ok(auto !== undefined && auto.hostPort >= 20_000 && auto.hostPort < 30_000);
  t.strictSame(ports('["auto:80"]'), [auto], 'the same every time');
  t.not(
    ports('["auto:80"]', allocations({ salt: 'other' }))?.[0]?.hostPort,
    auto?.hostPort,
    'another sandbox has others',
  );
  const busy = ports('["auto:80"]', allocations({ portTaken: (_ip, port) => port === auto?.hostPort })) ?? [];
  t.not(busy[0]?.hostPort, auto?.hostPort, 'a taken one is not picked');
  const before = allocations({ ports: new Map([['vm.a/lan/80/tcp', 23_456]]), portTaken: () => true });
  t.equal(ports('["auto:80"]', before)?.[0]?.hostPort, 23_456, 'an earlier one stays');
});

t.test('ports that cannot be are refused', async (t) => {
  const problems = (list: string, mode = 'nat') =>
    problemsOf(lan('10.70.0.0/24', `  a: { image: base, networks: { lan: { ports: ${list} } } }\n`, mode));
  t.match(problems('["0.0.0.0:80:80"]'), [/^SBX2403/]);
  t.match(problems('["192.168.1.5:80:80"]'), [/^SBX2403/]);
  t.match(problems('["[::]:80:80"]'), [/^SBX2403/]);
  t.match(problems('["70000:80"]'), [/^SBX2401/]);
  t.match(problems('["80:0"]'), [/^SBX2401/]);
  t.match(problems('["80:80", "80:81"]'), [/^SBX2402/]);
  t.match(problems('["3000-3002:3000-3001"]'), [/^SBX2401/]);
  t.match(problems('["3000-3002:3000"]'), [/^SBX2401/]);
  t.match(problems('["3000:3000-3002"]'), [/^SBX2401/]);
  t.match(problems('["3002-3000:1-3"]'), [/^SBX2401/], 'backwards');
  t.match(problems('["65534-65536:1-3"]'), [/^SBX2401/], 'beyond the last port');
  t.match(problems('["0-2:1-3"]'), [/^SBX2401/]);
  t.match(problems('["3000-3002:3000-3002", "3001-3004:80-83"]'), [/^SBX2402/, /^SBX2402/]);
  t.match(problems('["1-65535", "1-65535/udp"]'), [/^SBX2401 5:1/], 'counted before they are made');
  t.match(problems('["80:80"]', 'isolated'), [/^SBX2404/]);
  t.match(problems('["hello"]'), [/^SBX1204/]);
  const none = problemsOf(
    lan('10.70.0.0/24', '  a: { image: base, networks: { lan: { ports: ["auto:80"] } } }\n'),
    allocations({ portTaken: () => true }),
  );
  t.match(none, [/^SBX2405/]);
});

t.test('every address of the host includes each single one', async (t) => {
  const of = (list: string) =>
    problemsOf(lan('10.70.0.0/24', `  a: { image: base, networks: { lan: { ports: ${list} } } }\n`), {
      allowPublicPorts: true,
    });
  t.match(of('["0.0.0.0:80:80", "127.0.0.1:80:81"]'), [/^SBX2402/]);
  t.match(of('["127.0.0.1:80:80", "0.0.0.0:80:81"]'), [/^SBX2402/]);
  t.strictSame(of('["127.0.0.1:80:80", "192.168.1.5:80:81", "0.0.0.0:80:80/udp"]'), []);
});

t.test('addresses of resources read back', async (t) => {
  t.strictSame(parseAddress('vm.job["B_c"]'), { kind: 'vm', name: 'job', key: 'B_c' });
});
