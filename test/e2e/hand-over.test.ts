// Addresses that go from hand to hand, with real guests: two swap, one is renamed, and everybody knows at once.
import t from 'tap';
import { makeSandboxHost, whyNot } from '../support/sandbox-host.ts';

const file = (vms: Readonly<Record<string, number>>) => `version: 1
name: hands
images: { base: { build: tiny } }
networks: { lan: { mode: isolated, subnet: 10.70.0.0/24 } }
vms:
${Object.entries(vms)
  .map(
    ([name, last]) =>
      `  ${name}: { image: base, memory: 160MiB, networks: { lan: { address: 10.70.0.${last} } }, ready: { tcp: 22, timeout: 3m } }\n`,
  )
  .join('')}`;

t.test(
  'two guests swap their addresses, and one is renamed',
  { skip: whyNot() ?? false, timeout: 900_000 },
  async (t) => {
    const host = await makeSandboxHost(t);
    const inside = async (vm: string, command: string) => await host.ok('exec', vm, '--', 'sh', '-c', command);
    const macOf = async (vm: string) => (await inside(vm, 'cat /sys/class/net/eth0/address')).trim();
    /** What the observer thinks of an address, after it has spoken to it. */
    const knows = async (last: number) => {
      await inside('eye', `ping -c 1 -W 5 10.70.0.${last} >/dev/null`);
      return await inside('eye', `ip neigh show 10.70.0.${last}`);
    };
    host.write(file({ eye: 9, a: 10, b: 11 }));
    await host.ok('apply', '--auto-approve');
    const [a, b] = [await macOf('a'), await macOf('b')];
    t.match(await knows(10), a);
    t.match(await knows(11), b);

    host.write(file({ eye: 9, a: 11, b: 10 }));
    await host.ok('apply', '--auto-approve');
    t.equal(await macOf('a'), a, 'exec reaches the guest that is meant');
    t.match(await inside('a', 'ip -4 addr show dev eth0'), '10.70.0.11/24');
    t.match(await inside('eye', 'ip neigh show 10.70.0.10'), b, 'a neighbour knows before it asks');
    t.match(await knows(10), b);
    t.match(await knows(11), a);

    host.write(file({ eye: 9, c: 11, b: 10 }));
    await host.ok('apply', '--auto-approve');
    t.equal((await inside('c', 'hostname')).trim(), 'c');
    t.match(await knows(11), await macOf('c'));
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
    await host.ok('destroy', '--auto-approve');
    t.strictSame(host.leftovers(), []);
  },
);
