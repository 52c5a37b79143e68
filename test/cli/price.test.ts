// The limit on what a plan may cost, and what VMMs write by themselves: with the fake Cloud Hypervisor, from the command line on.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { GlobalOptions, PlanRequest } from '../../src/cli/services.ts';
import { createServices } from '../../src/cli/wire.ts';
import { namespaceSupport } from '../../src/host/space.ts';
import { type FakeHub, startHub } from '../fakes/cloud-hypervisor/install.ts';
import { sbx as program, type Ran } from '../support/cli.ts';
import { type FakeHost, fakeHostFor } from '../support/fake-host.ts';

const file = `version: 1
name: shop
images:
  own: { kernel: ./vmlinuz, initrd: ./initrd, disk: ./root.img }
volumes:
  pg: { size: 64MiB }
networks:
  lan: { subnet: 10.68.0.0/24, mode: isolated }
vms:
  db:
    image: own
    cpus: { count: 1, max: 4 }
    memory: { size: 128MiB, max: 256MiB }
    disks: { root: { size: 8MiB }, data: { volume: pg } }
    networks: { lan: { address: 10.68.0.10 } }
  off:
    image: own
    state: stopped
`;

/** Runs a command line with real services on a host of the fake. */
async function run(host: FakeHost, argv: readonly string[]): Promise<Ran> {
  let options: GlobalOptions | undefined;
  const services = new Proxy(
    {},
    {
      get: (_none, name: string) => async (request: PlanRequest) => {
        if (options === undefined || name !== 'plan') throw new TypeError(`no service ${name}`);
        return await createServices(options, host.surroundings).plan(request);
      },
    },
  );
  const given = (found: GlobalOptions): void => {
    options = found;
  };
  const all = ['--home', host.home, '--vmm', 'cloud-hypervisor', ...argv];
  return await program(all, { services, env: host.env, cwd: host.folder, options: given });
}

async function hubFor(t: Test, host: string): Promise<FakeHub> {
  const hub = await startHub(join('/tmp', `sbx-${host}-${process.pid}.sock`));
  t.teardown(hub.stop);
  return hub;
}

const support = await namespaceSupport();
const skip = support.ok ? false : `needs network namespaces: ${support.reason}`;

t.test('--max-impact of every level: exit 7 changes nothing, one level higher is done', { skip }, async (t) => {
  const host = await fakeHostFor(t, await hubFor(t, 'price'));
  host.write(file);
  const created = await run(host, ['apply', '--auto-approve', '--max-impact', 'live']);
  t.equal(created.code, 0, `creating is live: ${created.stderr}`);
  const steps: readonly (readonly [string, readonly [string, string], string])[] = [
    ['live', ['count: 1', 'count: 2'], ''],
    ['next-boot', ['state: stopped', 'state: stopped\n    env: { A: b }'], 'live'],
    ['restart', ['count: 2, max: 4', 'count: 2, max: 5'], 'next-boot'],
    ['replace', ['root: { size: 8MiB }', 'root: { size: 4MiB }'], 'restart'],
    ['replace', ['  off:\n    image: own\n    state: stopped\n    env: { A: b }\n', ''], 'restart'],
  ];
  let text = file;
  for (const [impact, edit, lower] of steps) {
    text = text.replace(...edit);
    host.write(text);
    const planned = await run(host, ['plan', '--json']);
    t.equal((JSON.parse(planned.stdout) as { impact: string }).impact, impact);
    if (lower !== '') {
      const before = (await host.fake.calls()).filter(({ method }) => method === 'PUT').length;
      for (const command of [['plan'], ['apply', '--auto-approve']]) {
        const refused = await run(host, [...command, '--max-impact', lower]);
        t.equal(refused.code, 7, `${command[0]} ${impact} with ${lower} allowed`);
        t.match(refused.stderr, /SBX0003/);
      }
      const after = (await host.fake.calls()).filter(({ method }) => method === 'PUT').length;
      t.equal(after, before, 'the VMM was asked to change nothing');
      t.equal((await run(host, ['plan', '--detailed-exitcode'])).code, 2, 'the change is still to be made');
    }
    const done = await run(host, ['apply', '--auto-approve', '--max-impact', impact]);
    t.equal(done.code, 0, `${impact}: ${done.stderr}`);
    t.equal((await run(host, ['plan', '--detailed-exitcode'])).code, 0, 'and then nothing is left to do');
  }
  t.equal((await run(host, ['destroy', '--auto-approve'])).code, 0);
});

t.test('what a VMM writes into its configuration is never drift, from 34 to 53', { skip }, async (t) => {
  const hub = await hubFor(t, 'writes');
  for (let major = 34; major <= 53; major += 1) {
    const host = await fakeHostFor(t, hub, { VERSION: `${major}.0` });
    host.write(file);
    const applied = await run(host, ['apply', '--auto-approve']);
    t.equal(applied.code, 0, `v${major}: ${applied.stderr}`);
    const plan = await run(host, ['plan', '--json', '--detailed-exitcode']);
    t.equal(plan.code, 0, `v${major}`);
    t.match(JSON.parse(plan.stdout), { changes: [], drift: [] }, `v${major}`);
    await run(host, ['destroy', '--auto-approve']);
  }
});
