import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import type { Forward } from '../../src/core/state/attrs.ts';
import { forwardKey, forwardName, withInnerPorts } from '../../src/core/uplink-ports.ts';

const forward = (hostPort: number, more: Partial<Forward> = {}): Forward => ({
  vm: 'vm.a' as Address,
  network: 'lan',
  guestIp: '10.68.0.10',
  hostIp: '127.0.0.1',
  hostPort,
  guestPort: 80,
  protocol: 'tcp',
  ...more,
});

const arbitraryForward = fc
  .record({
    hostIp: fc.constantFrom('127.0.0.1', '0.0.0.0', '192.0.2.1', '192.0.2.7'),
    hostPort: fc.constantFrom(1, 80, 443, 8080, 8081, 65_535),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  })
  .map((ends) => forward(ends.hostPort, ends));
const arbitraryForwards = fc.uniqueArray(arbitraryForward, { selector: forwardKey, maxLength: 40 });

t.test('a port on loopback keeps its number', async (t) => {
  t.same(
    withInnerPorts([forward(8080), forward(80, { protocol: 'udp' })])
      .map(({ innerPort }) => innerPort)
      .sort(),
    [80, 8080],
  );
});

t.test('no two forwards of a protocol share an inner port', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryForwards, (forwards) => {
        const ends = withInnerPorts(forwards).map(({ protocol, innerPort }) => `${protocol}/${innerPort}`);
        return new Set(ends).size === forwards.length && ends.every((end) => Number(end.slice(4)) < 65_536);
      }),
    ),
  );
});

t.test('the order in which forwards are declared does not matter', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryForwards, (forwards) => {
        const there = JSON.stringify(withInnerPorts(forwards));
        return there === JSON.stringify(withInnerPorts([...forwards].reverse()));
      }),
    ),
  );
});

t.test('the last port is followed by the first', async (t) => {
  const full = [forward(65_535), forward(1024)];
  const ports = withInnerPorts([
    ...full,
    ...Array.from({ length: 50 }, (_, at) => forward(at + 1, { hostIp: '0.0.0.0' })),
  ]);
  t.ok(ports.every(({ innerPort }) => innerPort > 0 && innerPort < 65_536));
});

t.test('a forward is named as observations name it', async (t) => {
  t.equal(forwardName(forward(8080)), '127.0.0.1:8080/tcp→10.68.0.10:80');
});
