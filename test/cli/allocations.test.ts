// What earlier applies chose, as the next plan has it.
import t from 'tap';
import { allocationsOf } from '../../src/cli/allocations.ts';
import { applied } from '../support/planning.ts';

const file = `version: 1
name: shop
images: { base: { build: tiny } }
networks: { lan: { mode: nat } }
vms:
  web: { image: base, networks: { lan: { ports: ["auto:80"] } } }
`;
const none = { reserved: new Map(), taken: () => new Set<string>(), salt: '' };

for (const connectivity of ['namespace', 'user-net'] as const) {
  t.test(`addresses, subnets and ports stay (${connectivity})`, async (t) => {
    const { state } = applied(file, undefined, { connectivity });
    const kept = allocationsOf(state, none);
    t.strictSame([...kept.addresses.keys()], ['vm.web/lan']);
    t.strictSame([...kept.subnets.keys()], ['network.lan']);
    t.strictSame([...kept.ports.keys()], ['vm.web/lan/80/tcp']);
    const [port = 0] = kept.ports.values();
    const listening = { ...none, taken: () => new Set([`127.0.0.1:${port}/tcp`]) };
    t.notOk(allocationsOf(state, listening).portTaken('127.0.0.1', port, 'tcp'), 'ours is not taken');
  });

  t.test(`a port that another sandbox has reserved since is given up (${connectivity})`, async (t) => {
    const { state } = applied(file, undefined, { connectivity });
    const [port = 0] = allocationsOf(state, none).ports.values();
    const key = `127.0.0.1:${port}/tcp`;
    const faster = { ...none, reserved: new Map([[key, 'shop@other']]), taken: () => new Set([key]) };
    const { ports, portTaken } = allocationsOf(state, faster);
    t.strictSame([...ports], []);
    t.ok(portTaken('127.0.0.1', port, 'tcp'));
    for (const everywhere of [`0.0.0.0:${port}/tcp`, `[::]:${port}/tcp`]) {
      const wide = { ...none, reserved: new Map([[everywhere, 'shop@other']]), taken: () => new Set([everywhere]) };
      t.strictSame([...allocationsOf(state, wide).ports], [], `with ${everywhere}`);
      t.ok(allocationsOf(state, wide).portTaken('127.0.0.1', port, 'tcp'), `with ${everywhere}`);
    }
  });
}
