// What only one can have goes from hand to hand: the step that takes it needs the step that lets go of it.
import t from 'tap';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { applied, mustPlan, type Planning, planOf, seenAs } from '../../support/planning.ts';

const head = `version: 1
name: shop
images: { base: { build: tiny } }
volumes: { pg: { size: 1GiB } }
networks: { lan: { subnet: 10.70.0.0/24, mode: nat } }
vms:
`;
const vm = (name: string, lan = '{}', more = '') =>
  `  ${name}: { image: base, networks: { lan: ${lan} }, ready: { tcp: 80 }${more} }\n`;
const at = (last: number) => `{ address: 10.70.0.${last} }`;

/** Whether a step comes after another one in every order. */
function waits({ steps }: Plan, step: string, other: string): boolean {
  const needs = new Map(steps.map(({ id, needs }) => [id, needs]));
  const reaches = (id: string): boolean => id === other || (needs.get(id) ?? []).some(reaches);
  if (!needs.has(step) || !needs.has(other)) throw new TypeError(`${step} or ${other} is not in the plan`);
  return reaches(step);
}

const both = (plan: Plan) => [
  waits(plan, 'vm.b/vm.start', 'vm.a/vm.stop'),
  waits(plan, 'vm.a/vm.start', 'vm.b/vm.stop'),
];

t.test('a VM that is renamed keeps its address, and the old one is stopped first', async (t) => {
  for (const lan of [at(10), '{}']) {
    const plan = mustPlan({ from: applied(head + vm('a', lan)), to: head + vm('b', lan) });
    t.ok(waits(plan, 'vm.b/vm.start', 'vm.a/vm.stop'), lan);
    t.ok(waits(plan, 'vm.b/vm.tap:lan', 'vm.a/vm.tap-remove:lan'), 'nor is the namespace told of it before');
  }
});

t.test('two that swap their addresses are both stopped before either starts', async (t) => {
  const from = applied(head + vm('a', at(10)) + vm('b', at(11)));
  const plan = mustPlan({ from, to: head + vm('a', at(11)) + vm('b', at(10)) });
  t.strictSame(both(plan), [true, true]);
  const third = applied(head + vm('a', at(10)) + vm('b', at(11)) + vm('c', at(12)));
  const round = mustPlan({ from: third, to: head + vm('a', at(11)) + vm('b', at(12)) + vm('c', at(10)) });
  for (const [one, other] of [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
  ])
    t.ok(waits(round, `vm.${one}/vm.start`, `vm.${other}/vm.stop`), `${one} after ${other}`);
});

t.test('also against depends_on', async (t) => {
  const from = applied(head + vm('a', at(10)) + vm('b', at(11), ', depends_on: { a: ready }'));
  const plan = mustPlan({ from, to: head + vm('a', at(11)) + vm('b', at(10), ', depends_on: { a: ready }') });
  t.strictSame(both(plan), [true, true]);
});

t.test('volumes, read by one or written', async (t) => {
  const disk = (more = '') => `, disks: { data: { volume: pg${more} } }`;
  const plan = (was: string, is: string) =>
    mustPlan({ from: applied(head + vm('a', at(10), was)), to: head + vm('a', at(10)) + vm('b', at(11), is) });
  t.ok(waits(plan(disk(), disk()), 'vm.b/vm.start', 'vm.a/vm.disk-detach:data'));
  t.ok(waits(plan(disk(', readonly: true'), disk()), 'vm.b/vm.start', 'vm.a/vm.disk-detach:data'));
  const read = disk(', readonly: true');
  t.notOk(waits(plan(read, read), 'vm.b/vm.start', 'vm.a/vm.disk-detach:data'), 'readers do not mind each other');
});

t.test('ports that the VMs listen on themselves', async (t) => {
  const host = { connectivity: 'user-net' } as const;
  const ports = (last: number, port: string) => `{ address: 10.70.0.${last}, ports: [${port}] }`;
  const from = applied(head + vm('a', ports(10, '"8080:80"')) + vm('c', ports(12, '"9090:80"')), undefined, host);
  const to = head + vm('a', at(10)) + vm('b', ports(11, '"8080:80", "9090:80/udp"')) + vm('c', ports(12, '"9090:80"'));
  t.ok(waits(mustPlan({ from, to }), 'vm.b/vm.start', 'vm.a/vm.stop'));
});

t.test('a network that is renamed with its subnet comes after the old one, and its VM after both', async (t) => {
  const renamed = (head + vm('a', at(10))).replaceAll('lan:', 'net:');
  const plan = mustPlan({ from: applied(head + vm('a', at(10))), to: renamed });
  t.ok(waits(plan, 'network.net/network.ensure', 'network.lan/network.remove'));
  t.ok(waits(plan, 'network.lan/network.remove', 'vm.a/vm.stop'));
  t.ok(waits(plan, 'vm.a/vm.start', 'network.net/network.ensure'));
});

t.test('networks that swap their subnets find an order', async (t) => {
  const nets = (one: number, other: number) =>
    `${head.replace('lan: { subnet: 10.70.0.0/24, mode: nat }', `lan: { subnet: 10.7${one}.0.0/24 }, net: { subnet: 10.7${other}.0.0/24 }`)}  a: { image: base, networks: { lan: {}, net: {} } }\n`;
  const plan = mustPlan({ from: applied(nets(0, 1)), to: nets(1, 0) });
  t.ok(waits(plan, 'vm.a/vm.start', 'network.lan/network.ensure'));
  t.ok(waits(plan, 'vm.a/vm.start', 'network.net/network.ensure'));
});

t.test('--target brings along who has what the target takes', async (t) => {
  const from = applied(head + vm('a', at(10)) + vm('c', at(12)));
  const to = head + vm('b', at(10)) + vm('c', at(13));
  const targeted = (name: string): Planning => ({ from, to, options: { targets: [`vm.${name}` as never] } });
  const plan = mustPlan(targeted('b'));
  t.ok(waits(plan, 'vm.b/vm.start', 'vm.a/vm.stop'));
  t.match(
    plan.changes.map(({ action, address }) => `${action} ${address}`).sort(),
    ['create vm.b', 'delete vm.a'],
    'and nothing else',
  );
  t.strictSame(
    mustPlan(targeted('a')).changes.map(({ address }) => address),
    ['vm.a'],
    'who lets go needs nobody',
  );
});

t.test('what the other one keeps is refused', async (t) => {
  const ignoring = (last: number) => vm('a', at(last), ', lifecycle: { ignore_changes: [networks.lan.address] }');
  const plan = planOf({ from: applied(head + ignoring(10)), to: head + ignoring(11) + vm('b', at(10)) });
  t.match(plan, {
    ok: false,
    diagnostics: [
      { code: 'SBX3121', address: 'vm.b', detail: /vm\.b would take the address 10\.70\.0\.10 .*vm\.a keeps/ },
    ],
  });
  t.equal(plan.ok ? 0 : plan.diagnostics.filter(({ code }) => code === 'SBX3121').length, 1, 'told once');
});

t.test('a start that was cut short may have taken anything', async (t) => {
  const world = applied(head + vm('a', at(10)));
  const pending = { step: 'vm.a/vm.start', op: 'vm.start' };
  const resources = world.state.resources.map((record) => (record.kind === 'vm' ? { ...record, pending } : record));
  const cut = { ...world, state: { ...world.state, resources } };
  const to = head + vm('a', at(10)) + vm('b', at(11));
  t.ok(waits(mustPlan({ from: cut, to }), 'vm.b/vm.start', 'vm.a/vm.stop'));
  const gone = seenAs(cut, 'vm.a', { state: 'absent' });
  t.notOk(waits(mustPlan({ from: gone, to }), 'vm.b/vm.start', 'vm.a/vm.stop'), 'what does not run has nothing');
});
