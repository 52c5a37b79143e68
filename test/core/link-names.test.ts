import t from 'tap';
import { bridgeMac, bridgeName, linkKind, tapName } from '../../src/core/link-names.ts';

t.test('names fit an interface and say what they are', async (t) => {
  const names = ['lan', 'a-very-long-name-for-a-network-of-thirty-one'].flatMap((name) => [
    bridgeName(name),
    tapName(`vm.${name}[0]`, name),
  ]);
  for (const name of names) t.match(name, /^sbx[bt][0-9a-f]{10}$/);
  t.equal(new Set(names).size, names.length, 'all differ');
  t.same(names.map(linkKind), ['bridge', 'tap', 'bridge', 'tap']);
});

t.test('the parts of a name cannot run into each other', async (t) => {
  t.not(tapName('vm.a', 'blan'), tapName('vm.ab', 'lan'));
});

t.test('names stay what they are, since running sandboxes have them', async (t) => {
  t.equal(bridgeName('lan'), 'sbxb376c7b9395');
  t.equal(bridgeMac('lan'), '02:16:2e:b5:0f:03');
});

t.test('a MAC address is locally administered and for one station', async (t) => {
  for (const name of ['lan', 'dmz', 'iso']) {
    const mac = bridgeMac(name);
    t.match(mac, /^02(:[0-9a-f]{2}){5}$/);
  }
});

for (const name of ['tap0', 'lo', 'sbx', 'sbxb', 'sbxb376c7b939', 'sbxx376c7b9395', 'sbxb376c7b9395x'])
  t.test(`${name} is no link of ours`, async (t) => {
    t.equal(linkKind(name), 'other');
  });
