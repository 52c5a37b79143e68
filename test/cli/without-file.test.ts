// What was applied is looked at, stopped, started and removed by its state: neither the values of variables nor a file that
// parses is needed. And a file whose name was changed does not let its former sandbox be forgotten.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { outputValidator } from '../support/output-schema.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);
const options = { skip: whyNoProgram, timeout: 600_000 };

const withSecret = `${oneVm
  .replace('name: shop', 'name: shop\nvariables: { token: { sensitive: true }, size: {} }')
  .replace('memory: 256MiB', 'memory: "${var.size}"')
  .replace('networks: { lan: {} } }', `networks: { lan: {} }, env: { TOKEN: "a'\${var.token}\\nb" } }`)}
outputs: { token: "\${var.token}", name: "\${vm.a.hostname}" }
`;

async function apply(host: ProgramHost, token: string, ...more: readonly string[]): Promise<void> {
  const ran = await host.sbx('apply', '--auto-approve', '--var', `token=${token}`, '--var', 'size=256MiB', ...more);
  if (ran.code !== 0) throw new TypeError(`apply ended with ${ran.code}: ${ran.stderr}`);
}

function seedPath(host: ProgramHost): string {
  const vms = join(host.home, 'data/shop/vms');
  const [folder = ''] = readdirSync(vms);
  return join(vms, folder, 'seed.img');
}

/** Everything that the only VM is told at its boot. */
function seedOf(host: ProgramHost): string {
  return readFileSync(seedPath(host), 'latin1');
}

t.test('without the values of variables', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  await apply(host, 'hunter2');
  const seed = seedOf(host);
  for (const argv of [
    ['status'],
    ['show', 'vm.a'],
    ['logs', 'a'],
    ['stop', 'a'],
    ['status'],
    ['start', 'a'],
    ['restart', 'a'],
    ['output', 'name'],
  ]) {
    const ran = await host.sbx(...argv);
    t.equal(ran.code, 0, `sbx ${argv.join(' ')}`, ran);
  }
  t.equal(seedOf(host), seed, 'the guest is told the same at every boot');
  const plan = await host.sbx('plan', '--detailed-exitcode', '--var', 'token=hunter2', '--var', 'size=256MiB');
  t.equal(plan.code, 0, 'and nothing is left to do', plan);
  const output = await host.sbx('output', 'token');
  t.equal(output.code, 1, 'a sensitive output is kept nowhere', output);
  t.match(output.stderr, /SBX4033[\s\S]*--var/);
  const destroyed = await host.sbx('destroy', '--auto-approve');
  t.equal(destroyed.code, 0, 'destroy', destroyed);
  t.strictSame((await host.sbx('status', '--all')).stdout, 'There are no sandboxes in this home.\n');
});

t.test('another value in the environment does not get into a guest by a restart', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  await apply(host, 'hunter2');
  const seed = seedOf(host);
  const ran = await host.sbx('restart', 'a', '--var', 'token=another', '--var', 'size=256MiB');
  t.equal(ran.code, 0, 'restart', ran);
  t.equal(seedOf(host), seed);
});

t.test('a start that cannot know a sensitive value says so before it stops anything', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  await apply(host, 'hunter2');
  rmSync(seedPath(host));
  await host.calls();
  const ran = await host.sbx('restart', 'a');
  t.equal(ran.code, 1, 'refused', ran);
  t.match(ran.stderr, /SBX8010[\s\S]*TOKEN/);
  t.notMatch(await host.calls(), ['vm.shutdown'], 'it goes on');
  t.match((await host.sbx('status')).stdout, /running/);
  const given = await host.sbx('restart', 'a', '--var', 'token=hunter2', '--var', 'size=256MiB');
  t.equal(given.code, 0, 'given again it works', given);
});

t.test('with a file that does not parse, is invalid, or is gone', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  await apply(host, 'hunter2');
  const broken: readonly (readonly [what: string, make: () => void])[] = [
    ['no YAML', () => host.write(`${withSecret}a: [\n`)],
    ['an unknown key', () => host.write(`${withSecret}nope: 1\n`)],
    ['empty', () => host.write('')],
    ['gone', () => rmSync(join(host.folder, 'sbx.yaml'))],
  ];
  for (const [what, make] of broken) {
    make();
    for (const argv of [
      ['status'],
      ['show'],
      ['stop', 'a'],
      ['start', 'a'],
      ['restart', 'a'],
      ['logs', 'a'],
      ['output'],
    ]) {
      const ran = await host.sbx(...argv);
      t.equal(ran.code, 0, `${what}: sbx ${argv.join(' ')}`, ran);
    }
    const stopped = await host.sbx('stop', 'a');
    t.match(stopped.stderr, /SBX4030[\s\S]*--sandbox shop/, `${what}: it says what it goes by`);
    t.equal((await host.sbx('start', 'a', '--sandbox', 'shop')).code, 0, `${what}: by name`);
    const planned = await host.sbx('plan');
    t.not(planned.code, 0, `${what}: a plan needs the file`);
    t.notMatch(planned.stderr, 'SBX4030');
  }
  const ran = await host.sbx('destroy', '--auto-approve');
  t.equal(ran.code, 0, 'destroy', ran);
  const again = await host.sbx('destroy', '--auto-approve');
  t.equal(again.code, 3, 'nothing tells now which one is meant', again);
  t.match(again.stderr, /SBX1002[\s\S]*SBX4031[\s\S]*--sandbox NAME/);
});

t.test('of several sandboxes of one folder the one that is meant must be named', options, async (t) => {
  const host = await makeProgramHost(t);
  for (const name of ['shop', 'mall']) {
    writeFileSync(join(host.folder, `${name}.yaml`), oneVm.replace('name: shop', `name: ${name}`));
    t.equal((await host.sbx('apply', '-f', `${name}.yaml`, '--auto-approve')).code, 0);
  }
  host.write('a: [\n');
  const ran = await host.sbx('stop', 'a');
  t.equal(ran.code, 3, 'refused', ran);
  t.match(ran.stderr, /SBX4031[\s\S]*mall, shop[\s\S]*--sandbox mall/);
  const exec = await host.sbx('logs', 'a');
  t.match(exec.stderr, /--sandbox mall/);
  t.equal((await host.sbx('stop', 'a', '--sandbox', 'mall')).code, 0);
  const all = await host.sbx('ps', '--all', '--json');
  const report = JSON.parse(all.stdout) as { sandboxes: { sandbox: { name: string }; folder: string; vms: object }[] };
  t.ok(outputValidator('status-all')(report));
  t.strictSame(
    report.sandboxes.map(({ sandbox, folder, vms }) => ({ name: sandbox.name, folder, vms })),
    [
      { name: 'mall', folder: host.folder, vms: { running: 0, total: 1 } },
      { name: 'shop', folder: host.folder, vms: { running: 1, total: 1 } },
    ],
  );
});

t.test('a power command keeps the outputs that were applied', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(`${oneVm}outputs: { name: "\${vm.a.hostname}" }\n`);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  host.write(`${oneVm}outputs: { name: other, more: 1 }\n`);
  t.equal((await host.sbx('stop', 'a')).code, 0);
  t.equal((await host.sbx('output')).stdout, 'name = a\n');
});

t.test('a plan under another name tells of the sandbox before it', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(oneVm);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  t.notMatch((await host.sbx('plan')).stderr, 'SBX4032');
  host.write(oneVm.replace('name: shop', 'name: store'));
  const plan = await host.sbx('plan');
  t.match(plan.stderr, /SBX4032[\s\S]*"shop"[\s\S]*1 VM, 1 running[\s\S]*name: shop[\s\S]*sbx destroy --sandbox shop/);
  const json = JSON.parse((await host.sbx('plan', '--json')).stdout) as { warnings: { code: string }[] };
  t.match(json.warnings, [{ code: 'SBX4032' }]);
  t.equal((await host.sbx('destroy', '--sandbox', 'shop', '--auto-approve')).code, 0, 'the hint works');
  t.notMatch((await host.sbx('plan')).stderr, 'SBX4032', 'gone is gone');
});

t.test(
  'the state of a sandbox that is named is compared with itself, not with the file that lies here',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    host.write(oneVm.replace('name: shop', 'name: store').replace('count: 1,', 'count: 2,'));
    const ran = await host.sbx('status', '--sandbox', 'shop', '--json');
    t.equal(ran.code, 0, 'status', ran);
    t.match(JSON.parse(ran.stdout), { sandbox: { name: 'shop' }, vms: [{ state: 'running', drift: [] }] });
  },
);
