// Three VMs on a network of their own: they reach each other by address, and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeSandboxHost, whyNot } from '../support/sandbox-host.ts';

const example = readFileSync(join(import.meta.dirname, '../../examples/three/sbx.yaml'), 'utf8');
const names = ['a', 'b', 'c'] as const;

t.test('three VMs of one network', { skip: whyNot() ?? false, timeout: 600_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  host.write(example.replace('256MiB', '160MiB'));
  await host.ok('apply', '--auto-approve');
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  const addresses: string[] = JSON.parse(await host.ok('output', 'addresses', '--json')).value;
  t.equal(new Set(addresses).size, 3, 'each has an address');

  await t.test('reach each other by address', async (t) => {
    for (const name of names) {
      for (const address of addresses) {
        const ping = await host.sbx('exec', `node["${name}"]`, '--', 'ping', '-c', '1', '-W', '5', address);
        t.equal(ping.code, 0, `${name} reaches ${address}`, { ping });
      }
    }
  });

  await t.test('have their own environment', async (t) => {
    for (const name of names)
      t.equal(await host.ok('exec', `node.${name}`, '--', 'sh', '-c', 'echo $NAME'), `${name}\n`);
  });

  await t.test('have no way out', async (t) => {
    t.match(await host.sbx('exec', 'node.a', '--', 'ping', '-c', '1', '-W', '1', '192.0.2.2'), { code: 1 });
    t.match(await host.sbx('exec', 'node.a', '--', 'nc', '-w', '2', '192.0.2.2', '8000'), { code: 1, stdout: '' });
  });

  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
});
