import { totalmem } from 'node:os';
import t from 'tap';
import { localAddresses } from '../../src/host/host-addresses.ts';
import { linksFromJson } from '../../src/host/link-table.ts';
import { readHostFacts } from '../../src/host/space.ts';

t.test('the host has processors, memory and a disk, also for a home that is not there yet', async (t) => {
  const facts = readHostFacts({ home: '/tmp/not/there/yet' });
  t.ok(facts.cpus >= 1);
  t.ok(facts.memoryAvailableBytes > 0 && facts.memoryAvailableBytes <= totalmem());
  t.ok(facts.diskAvailableBytes > 0);
});

t.test('only programs that are not there are missing', async (t) => {
  const programs = ['sh', 'no-such-program'].map((program) => ({ program, package: 'p', why: 'w' }));
  t.same(readHostFacts({ home: '/', programs }).missing, [{ program: 'no-such-program', package: 'p', why: 'w' }]);
});

t.test('reading who listens can be left out', async (t) => {
  t.equal(readHostFacts({ home: '/', listeners: 'skip' }).listeners.size, 0);
});

t.test('addresses of the host are read, also of links without carrier', async (t) => {
  const text = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.0.2.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
     |-- 192.0.2.1
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
     |-- 172.17.0.1
        /32 host LOCAL
`;
  t.same(localAddresses(text + text), ['172.17.0.1', '192.0.2.1']);
  t.same(localAddresses(''), []);
});

t.test('links are read from what ip says, and nonsense is left out', async (t) => {
  const answer = [
    { ifname: 'lo', flags: ['LOOPBACK', 'UP'] },
    { ifname: 'sbxb376c7b9395', flags: ['BROADCAST', 'UP'] },
    { ifname: 'sbxt376c7b9395', flags: ['BROADCAST'], master: 'sbxb376c7b9395' },
    { ifname: 'tap0', flags: 'UP' },
    {},
    null,
  ];
  t.same(linksFromJson(answer), {
    sbxb376c7b9395: { kind: 'bridge', up: true },
    sbxt376c7b9395: { kind: 'tap', up: false, master: 'sbxb376c7b9395' },
    tap0: { kind: 'other', up: false },
  });
  t.same(linksFromJson({ error: 1 }), {});
});
