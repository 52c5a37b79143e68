// One rule for ends on the host that cannot be open at the same time, and its index, which must say the same.
import t from 'tap';
import { type HostPort, portIndex, portsOverlap } from '../../src/core/host-ports.ts';

const end = (hostIp: string): HostPort => ({ hostIp, hostPort: 80, protocol: 'tcp' });

for (const [one, other, overlap] of [
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '192.0.2.1', false],
  ['127.0.0.1', '0.0.0.0', true],
  ['192.0.2.1', '0.0.0.0', true],
  ['127.0.0.1', '::', true],
  ['127.0.0.1', '[::]', true],
  ['0.0.0.0', '[0:0:0:0:0:0:0:0]', true],
  ['::1', '::', true],
  ['::1', '[0:0:0:0:0:0:0:1]', true],
  ['::1', '0.0.0.0', false],
  ['::1', '127.0.0.1', false],
  ['fe80::1%eth0', '[fe80:0:0:0:0:0:0:1]', true],
  ['2001:DB8::5', '2001:db8:0::5', true],
  ['2001:db8::5', '2001:db8::6', false],
  ['::ffff:127.0.0.1', '127.0.0.1', true],
  ['::ffff:7f00:1', '127.0.0.1', true],
  ['::ffff:0.0.0.0', '192.0.2.1', true],
  ['::ffff:127.0.0.1', '192.0.2.1', false],
] as const)
  t.test(`${one} and ${other} ${overlap ? 'overlap' : 'do not meet'}`, async (t) => {
    t.equal(portsOverlap(end(one), end(other)), overlap);
    t.equal(portsOverlap(end(other), end(one)), overlap);
    t.equal(portIndex([`${other}:80/tcp`]).conflict(end(one)) !== undefined, overlap, 'so says the index');
    t.equal(portIndex([`${one}:80/tcp`]).conflict(end(other)) !== undefined, overlap, 'and the other way round');
    t.equal(portIndex([`${other}:80/tcp`], [`${other}:80/tcp`]).conflict(end(one)), undefined, 'ours never count');
  });

t.test('port and protocol are the same', async (t) => {
  const any = end('0.0.0.0');
  t.notOk(portsOverlap(any, { ...any, protocol: 'udp' }));
  t.notOk(portsOverlap(any, { ...any, hostPort: 8080 }));
  t.equal(portIndex(['127.0.0.1:180/tcp', '127.0.0.1:80/udp', 'nonsense', '']).conflict(any), undefined);
});

t.test('what is ours is known in every spelling', async (t) => {
  t.equal(portIndex(['[0:0:0:0:0:0:0:1]:80/tcp'], ['::1:80/tcp']).conflict(end('::1')), undefined);
});
