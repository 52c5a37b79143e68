// Two instances of one file side by side: same addresses, one home. And a lease that ends one of them without any sbx.
import t from 'tap';
import { eventually, makeSandboxHost, whyNot } from '../support/sandbox-host.ts';

const file = (lease: string): string => `version: 1
name: twin
${lease}
images:
  base: { build: tiny }
networks:
  lan: { subnet: 10.71.0.0/24, mode: nat }
vms:
  web:
    image: base
    memory: 160MiB
    networks: { lan: { address: 10.71.0.10, ports: ["auto:80"] } }
    ready: { boot: true, timeout: 3m }
outputs:
  address: \${vm.web.networks.lan.address}
  port: \${vm.web.networks.lan.ports.80}
`;

t.test('two instances of one file', { skip: whyNot() ?? false, timeout: 600_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  const both = ['one', 'two'] as const;
  host.write(file(''));
  await Promise.all(both.map((name) => host.ok('apply', '--instance', name, '--auto-approve')));

  await t.test('have the same address, each its own port, and do not see each other', async (t) => {
    const ports = new Set<string>();
    for (const name of both) {
      t.match(await host.ok('plan', '--instance', name), /No changes/);
      t.equal(await host.ok('output', 'address', '--instance', name), '10.71.0.10\n');
      ports.add(await host.ok('output', 'port', '--instance', name));
      await host.ok('exec', '--instance', name, 'web', '--', 'sh', '-c', `echo ${name} >/root/name`);
    }
    t.equal(ports.size, 2);
    for (const name of both)
      t.equal(await host.ok('exec', '--instance', name, 'web', '--', 'cat', '/root/name'), `${name}\n`);
  });

  await t.test('go one by one', async (t) => {
    await host.ok('destroy', '--instance', 'one', '--auto-approve');
    t.match(await host.ok('plan', '--instance', 'two'), /No changes/);
    t.equal(await host.ok('exec', '--instance', 'two', 'web', '--', 'cat', '/root/name'), 'two\n');
  });

  await t.test('go by themselves when their lease ends', async (t) => {
    host.write(file('expires: 30s'));
    const plan = JSON.parse(await host.ok('plan', '--instance', 'two', '--json'));
    t.equal(plan.impact, 'live');
    await host.ok('apply', '--instance', 'two', '--auto-approve');
    t.match(JSON.parse(await host.ok('status', '--instance', 'two', '--json')), { vms: [{ state: 'running' }] });
    await eventually(
      () => `nothing is left: ${host.leftovers().join(', ')}`,
      () => host.leftovers().length === 0,
    );
  });
});
