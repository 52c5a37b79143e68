// The planner as users meet it: which change a difference makes, at which price, in which order.
import t from 'tap';
import type { VmObservation } from '../../../src/core/observed.ts';
import { isEmptyPlan } from '../../../src/core/plan/plan.ts';
import { ableDriver, addressOf, applied, changeLine, mustPlan, planOf, seenAs } from '../../support/planning.ts';

const shop = `version: 1
name: shop
images:
  base: { build: tiny }
volumes:
  pg: { size: 1GiB }
networks:
  lan: { subnet: 10.68.0.0/24, mode: nat }
  back: { subnet: 10.69.0.0/24, mode: nat }
vms:
  db:
    image: base
    cpus: { count: 1, max: 4 }
    memory: { size: 256MiB, max: 1GiB }
    disks: { data: { volume: pg }, tmp: { size: 1GiB } }
    networks: { lan: { address: 10.68.0.10, ports: ["5432"] } }
    env: { A: one }
    ready: { boot: true }
  web:
    image: base
    cpus: 1
    memory: 256MiB
    networks: { lan: { address: 10.68.0.20 }, back: {} }
    depends_on: { db: ready }
`;
const world = applied(shop);
const withBootMemory = {
  ...world,
  state: {
    ...world.state,
    resources: world.state.resources.map((record) =>
      record.kind === 'vm' ? { ...record, facts: { bootMemoryBytes: 128 * 1024 * 1024 } } : record,
    ),
  },
};

t.test('a file that was applied makes an empty plan', async (t) => {
  const plan = mustPlan({ from: world, to: shop });
  t.ok(isEmptyPlan(plan));
  t.strictSame(plan.steps, []);
  t.strictSame(plan.drift, []);
});

t.test('everything is created on an empty host, in an order that every need allows', async (t) => {
  const plan = mustPlan({ to: shop });
  t.strictSame(
    plan.changes.map(changeLine),
    ['sandbox', 'image.base', 'volume.pg', 'network.lan', 'network.back', 'vm.db', 'vm.web'].map(
      (address) => `create ${address}`,
    ),
  );
  const at = (id: string): number => plan.steps.findIndex((step) => step.id === id);
  const order: readonly (readonly [string, string])[] = [
    ['sandbox/sandbox.open', 'network.lan/network.ensure'],
    ['network.lan/network.ensure', 'vm.db/vm.tap:lan'],
    ['volume.pg/volume.create', 'vm.db/vm.start'],
    ['image.base/image.ensure', 'vm.db/vm.start'],
    ['sandbox/sandbox.rules', 'vm.db/vm.start'],
    ['vm.db/vm.start', 'vm.db/vm.ready'],
    ['vm.db/vm.ready', 'vm.web/vm.start'],
  ];
  for (const [first, then] of order) {
    t.ok(at(first) >= 0 && at(then) >= 0, `${first} and ${then} are in the plan`);
    t.ok(at(first) < at(then), `${first} comes before ${then}`);
  }
});

const edits: readonly {
  readonly name: string;
  readonly edit: readonly [string, string];
  readonly want: readonly string[];
}[] = [
  { name: 'more vCPUs are plugged in', edit: ['count: 1', 'count: 2'], want: ['update vm.db live: cpus.count'] },
  { name: 'a new maximum restarts', edit: ['max: 4', 'max: 8'], want: ['update vm.db restart: cpus.max'] },
  {
    name: 'more memory is plugged in',
    edit: ['size: 256MiB,', 'size: 512MiB,'],
    want: ['update vm.db live: memory.size'],
  },
  {
    name: 'less memory than at the start restarts',
    edit: ['size: 256MiB,', 'size: 96MiB,'],
    want: ['update vm.db restart: memory.size'],
  },
  { name: 'environment restarts', edit: ['A: one', 'A: two'], want: ['update vm.db restart: env.A'] },
  {
    name: 'a disk grows live',
    edit: ['tmp: { size: 1GiB }', 'tmp: { size: 2GiB }'],
    want: ['update vm.db live: disks.tmp'],
  },
  {
    name: 'a smaller disk replaces',
    edit: ['tmp: { size: 1GiB }', 'tmp: { size: 512MiB }'],
    want: ['replace vm.db: disks.tmp'],
  },
  {
    name: 'a new disk is attached',
    edit: ['tmp: { size: 1GiB }', 'tmp: { size: 1GiB }, more: { size: 1GiB }'],
    want: ['update vm.db live: disks.more'],
  },
  {
    name: 'a removed disk is detached',
    edit: [', tmp: { size: 1GiB }', ''],
    want: ['update vm.db replace: disks.tmp'],
  },
  {
    name: 'a volume grows under its VM',
    edit: ['pg: { size: 1GiB }', 'pg: { size: 2GiB }'],
    want: ['update volume.pg live: size', 'update vm.db live: disks.data'],
  },
  {
    name: 'another address restarts',
    edit: ['10.68.0.10', '10.68.0.12'],
    want: [
      'update sandbox live: ports.127.0.0.1:5432/tcp, ports.127.0.0.1:5432/tcp',
      'update vm.db restart: networks.lan',
    ],
  },
  {
    name: 'another port touches no VM',
    edit: ['"5432"', '"6000:5432"'],
    want: ['update sandbox live: ports.127.0.0.1:5432/tcp, ports.127.0.0.1:6000/tcp'],
  },
  { name: 'readiness is only recorded', edit: ['boot: true', 'tcp: 5432'], want: ['update vm.db live: ready'] },
  {
    name: 'the mode of a network is only the packet filter',
    edit: ['10.69.0.0/24, mode: nat', '10.69.0.0/24, mode: isolated'],
    want: ['update sandbox live: networks', 'update network.back live: mode'],
  },
  { name: 'a VM that left the file goes', edit: [shop.slice(shop.indexOf('  web:')), ''], want: ['delete vm.web'] },
];
for (const { name, edit, want } of edits) {
  t.test(name, async (t) => {
    const to = shop.replace(...edit);
    t.not(to, shop, 'the edit changes the file');
    t.strictSame(mustPlan({ from: withBootMemory, to }).changes.map(changeLine), want);
  });
}

t.test('a driver that cannot do it live restarts', async (t) => {
  const driver = { ...ableDriver, cpuGrow: 'restart', diskAttach: 'restart' } as const;
  const grown = mustPlan({ from: world, to: shop.replace('count: 1', 'count: 2'), driver });
  t.strictSame(grown.changes.map(changeLine), ['update vm.db restart: cpus.count']);
  t.ok((grown.changes[0]?.price.downtimeMs ?? 0) > 0, 'and says for how long');
  t.strictSame(grown.changes[0]?.price.touches, [addressOf('web')], 'and whom it touches');
});

const broken: readonly {
  readonly name: string;
  readonly seen: VmObservation;
  readonly drift: boolean;
  readonly want: readonly string[];
  readonly op?: string;
}[] = [
  {
    name: 'a dead VM is started',
    seen: { state: 'dead', reason: 'killed' },
    drift: true,
    want: ['update vm.web live: state'],
    op: 'vm.start',
  },
  {
    name: 'a VM that powered off is started',
    seen: { state: 'exited' },
    drift: true,
    want: ['update vm.web live: state'],
    op: 'vm.start',
  },
  {
    name: 'a VM that hangs is restarted',
    seen: { state: 'unresponsive', reason: 'no answer' },
    drift: true,
    want: ['update vm.web restart: state'],
    op: 'vm.stop',
  },
];
for (const { name, seen, drift, want, op } of broken) {
  t.test(name, async (t) => {
    const plan = mustPlan({ from: seenAs(world, 'web', seen), to: shop });
    t.strictSame(plan.changes.map(changeLine), want);
    t.equal(plan.drift.length > 0, drift);
    t.ok(plan.steps.some((step) => step.action.op === op));
  });
}

const atWork: VmObservation = { state: 'unresponsive', reason: 'no answer, but its vCPUs are at work', atWork: true };

t.test('a VM that is silent at its work is left alone, and the plan says so', async (t) => {
  const plan = mustPlan({ from: seenAs(world, 'web', atWork), to: shop });
  t.strictSame(plan.changes, []);
  t.strictSame(plan.steps, []);
  t.match(plan.drift, [{ field: 'state', observed: { value: /at work/ }, remedy: /left alone/ }]);
});

t.test('a VM that is silent at its work is ended when that is asked for', async (t) => {
  const from = seenAs(world, 'web', atWork);
  const web = addressOf('vm.web');
  const restart = { targets: [web], only: true, restart: [web] };
  t.strictSame(mustPlan({ from, to: shop, options: restart }).changes.map(changeLine), [
    'update vm.web restart: state',
  ]);
  const replace = { replace: [web] };
  t.match(mustPlan({ from, to: shop, options: replace }).changes.map(changeLine), [/^replace vm.web/]);
});

t.test('a VM that is silent at its work takes no change', async (t) => {
  const bigger = shop.replace(/memory: 256MiB$/m, 'memory: 320MiB');
  t.not(bigger, shop);
  const plan = planOf({ from: seenAs(world, 'web', atWork), to: bigger });
  t.match(plan, { ok: false, diagnostics: [{ code: 'SBX3119' }] });
});

t.test('a VM that powered off is done where the file says keep', async (t) => {
  const keep = shop.replace('depends_on: { db: ready }', 'depends_on: { db: ready }\n    on_exit: keep');
  const plan = mustPlan({ from: seenAs(applied(keep), 'web', { state: 'exited' }), to: keep });
  t.ok(isEmptyPlan(plan));
  t.strictSame(plan.drift, []);
});

t.test('a VM that an apply was stopping when it was killed is no guest that came to its end', async (t) => {
  const keep = shop.replace('depends_on: { db: ready }', 'depends_on: { db: ready }\n    on_exit: keep');
  for (const op of ['vm.stop', 'vm.start']) {
    const from = cutShort(seenAs(applied(keep), 'web', { state: 'exited' }), 'web', op);
    const plan = mustPlan({ from, to: keep });
    t.strictSame(plan.changes.map(changeLine), ['update vm.web live: state'], op);
    t.ok(plan.steps.some((step) => step.action.op === 'vm.start'));
    t.strictSame(plan.drift, [], 'nothing happened outside sbx');
  }
});

/** The world with a mark on `vm.NAME`: an apply was cut short in a step. */
function cutShort(from: typeof world, name: string, op: string): typeof world {
  const resources = from.state.resources.map((record) =>
    record.address === addressOf(`vm.${name}`) ? { ...record, pending: { step: `vm.${name}/${op}`, op } } : record,
  );
  return { ...from, state: { ...from.state, resources } };
}

const grownOutside = seenAs(world, 'db', (before) => ({ ...before, cpus: 3 }) as VmObservation);
const detached = seenAs(world, 'db', (before) => {
  if (before.state !== 'running') return before;
  const { tmp: _tmp, ...disks } = before.disks;
  return { ...before, disks };
});
const grown3 = shop.replace('count: 1, max: 4', 'count: 3, max: 4');
const withoutTmp = shop.replace(', tmp: { size: 1GiB }', '');
const unrecorded: readonly {
  readonly name: string;
  readonly from: typeof world;
  readonly to: string;
  readonly change: string;
  readonly steps: readonly string[];
  readonly drift: readonly string[];
}[] = [
  {
    name: 'what somebody else changed to what the file wants by now is drift, and is only recorded',
    ...{ from: grownOutside, to: grown3, change: 'update vm.db live: cpus.count', steps: ['record'] },
    drift: ['none: the file asks for the same now'],
  },
  {
    name: 'what an apply changed before it was killed is no drift, and is only recorded',
    ...{ from: cutShort(grownOutside, 'db', 'vm.cpus'), to: grown3, change: 'update vm.db live: cpus.count' },
    ...{ steps: ['record'], drift: [] },
  },
  {
    name: 'a disk that was let go of before sbx was killed still loses its file',
    ...{ from: cutShort(detached, 'db', 'vm.disk-detach'), to: withoutTmp, change: 'update vm.db replace: disks.tmp' },
    ...{ steps: ['vm.disk-detach', 'vm.disk-delete', 'record'], drift: [] },
  },
  {
    name: 'a VM whose start was not recorded starts again, since nothing else tells what it was started with',
    ...{ from: cutShort(world, 'db', 'vm.start'), to: shop, change: 'update vm.db restart: state', drift: [] },
    steps: ['vm.stop', 'vm.disk-create', 'vm.disk-create', 'vm.tap', 'vm.seed', 'vm.start', 'vm.ready'],
  },
];
for (const { name, from, to, change, steps, drift } of unrecorded) {
  t.test(name, async (t) => {
    const plan = mustPlan({ from, to });
    t.strictSame(plan.changes.map(changeLine), [change]);
    t.strictSame(
      plan.steps.map((step) => step.action.op),
      steps,
    );
    t.strictSame(
      plan.drift.map(({ remedy }) => remedy),
      drift,
    );
  });
}

t.test('a VM that was started and never seen ready is waited for by the next apply', async (t) => {
  const plan = mustPlan({ to: shop });
  const start = plan.steps.find(({ id }) => id === 'vm.db/vm.start');
  t.match(start?.after, { pending: { step: 'vm.db/vm.ready', op: 'vm.ready' } }, 'its start says what has to follow');
  t.ok(plan.steps.some(({ id }) => id === 'vm.db/vm.ready'));
  t.match(
    mustPlan({ to: unwaited }).steps.find(({ id }) => id === 'vm.web/vm.start')?.after,
    { pending: undefined },
    'where somebody waits',
  );
  const left = mustPlan({ from: cutShort(world, 'db', 'vm.ready'), to: shop });
  t.strictSame(left.changes.map(changeLine), ['update vm.db live: ready']);
});

/** The same file with a VM that nobody waits for. */
const unwaited = shop.replace('cpus: 1\n', 'cpus: 1\n    ready: none\n');

t.test('a VM of an image with the agent is waited for, unless the file says otherwise', async (t) => {
  const readyOf = (to: string): unknown =>
    mustPlan({ to }).changes.flatMap((change) =>
      change.address === 'vm.web' && 'fields' in change ? change.fields.filter(({ field }) => field === 'ready') : [],
    );
  const waits = (to: string): boolean => mustPlan({ to }).steps.some(({ id }) => id === 'vm.web/vm.ready');
  t.ok(waits(shop));
  t.match(readyOf(shop), [{ field: 'ready', to: { value: { type: 'boot', timeoutMs: 120_000 } } }], 'and shows it');
  t.notOk(waits(unwaited));
  t.strictSame(readyOf(unwaited), []);
  t.notOk(waits(shop.replace('build: tiny', 'kernel: ./vmlinuz')), 'a kernel of its own may have no agent');
});

t.test('a VM that ran before there was a default is as it is, until it boots', async (t) => {
  const old = applied(unwaited);
  t.ok(isEmptyPlan(mustPlan({ from: old, to: shop })), 'nothing changes');
  const plan = mustPlan({ from: old, to: shop.replace('memory: 256MiB\n', 'memory: 512MiB\n') });
  t.strictSame(plan.changes.map(changeLine), ['update vm.web restart: memory.size, memory.max, ready']);
  t.ok(
    plan.steps.some(({ id }) => id === 'vm.web/vm.ready'),
    'then it is waited for',
  );
  t.strictSame(mustPlan({ from: applied(shop), to: unwaited }).changes.map(changeLine), ['update vm.web live: ready']);
});

t.test('a paused VM goes on', async (t) => {
  const paused = seenAs(world, 'web', (before) => ({ ...before, state: 'paused' }) as VmObservation);
  const plan = mustPlan({ from: paused, to: shop });
  t.strictSame(plan.changes.map(changeLine), ['update vm.web live: state']);
  t.strictSame(
    plan.steps.map((step) => step.action.op),
    ['vm.resume', 'record'],
  );
});

t.test('a VM that was resized from outside is set back', async (t) => {
  const resized = seenAs(world, 'db', (before) => ({ ...before, cpus: 3 }) as VmObservation);
  const plan = mustPlan({ from: resized, to: shop });
  t.match(plan.drift, [{ field: 'cpus.count', recorded: { value: 1 }, observed: { value: 3 } }]);
  t.strictSame(plan.changes.map(changeLine), ['update vm.db live: cpus.count']);
});

const lost: readonly { readonly name: string; readonly change: object; readonly want: RegExp }[] = [
  { name: 'holder', change: { holder: 'absent' }, want: /holder/ },
  { name: 'uplink', change: { uplink: 'absent' }, want: /uplink/ },
  { name: 'packet filter', change: { rules: 'absent' }, want: /packet filter/ },
  { name: 'published port', change: { forwards: [] }, want: /ports\.127\.0\.0\.1:5432\/tcp/ },
];
for (const { name, change, want } of lost) {
  t.test(`a ${name} that is gone comes back and restarts no VM`, async (t) => {
    const observed = { ...world.observed, sandbox: { ...world.observed.sandbox, ...change } };
    const plan = mustPlan({ from: { ...world, observed }, to: shop });
    t.match(plan.drift.map((drift) => drift.field).join(' '), want);
    t.strictSame(
      plan.changes.map(({ address }) => address),
      ['sandbox'],
    );
  });
}

t.test('a bridge that is gone is made again and its taps plugged in', async (t) => {
  const links = Object.fromEntries(
    Object.entries(world.observed.sandbox.links).flatMap(([name, link]) =>
      link.kind === 'bridge' ? [] : [[name, { kind: link.kind, up: link.up }]],
    ),
  );
  const observed = { ...world.observed, sandbox: { ...world.observed.sandbox, links } };
  const plan = mustPlan({ from: { ...world, observed }, to: shop });
  t.strictSame(plan.changes.map(changeLine), [
    'update network.lan live: bridge',
    'update network.back live: bridge',
    'update vm.db live: networks.lan.tap',
    'update vm.web live: networks.lan.tap, networks.back.tap',
  ]);
});

t.test('destroy removes everything, VMs first and the sandbox last', async (t) => {
  const plan = mustPlan({ from: world, mode: 'destroy' });
  const gone = plan.steps.map((step) => step.id);
  t.equal(gone.at(-1), 'sandbox/sandbox.close');
  t.ok(gone.indexOf('vm.web/vm.stop') < gone.indexOf('vm.db/vm.stop'), 'who depends on another goes first');
  t.ok(gone.indexOf('vm.db/vm.delete') < gone.indexOf('network.lan/network.remove'));
  t.ok(gone.indexOf('vm.db/vm.delete') < gone.indexOf('volume.pg/volume.delete'));
});

t.test('a protected volume outlives destroy, unless it is purged', async (t) => {
  const kept = applied(shop.replace('pg: { size: 1GiB }', 'pg: { size: 1GiB, protect: true }'));
  const stays = mustPlan({ from: kept, mode: 'destroy' });
  t.notOk(stays.changes.some(({ address }) => address === 'volume.pg'));
  t.match(stays.warnings, [{ code: 'SBX3144', address: 'volume.pg', hint: /--purge/ }], 'and is named');
  const purged = mustPlan({ from: kept, mode: 'destroy', options: { purge: true } });
  t.strictSame(purged.warnings, []);
  t.ok(purged.changes.some(({ address }) => address === 'volume.pg'));
});

const refusals: readonly {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly code: string;
}[] = [
  {
    name: 'a smaller volume',
    from: shop,
    to: shop.replace('pg: { size: 1GiB }', 'pg: { size: 512MiB }'),
    code: 'SBX3110',
  },
  {
    name: 'a protected volume that left the file',
    from: 'version: 1\nname: shop\nvolumes: { pg: { size: 1GiB, protect: true } }\n',
    to: 'version: 1\nname: shop\n',
    code: 'SBX3111',
  },
  {
    name: 'the end of a VM under prevent_destroy',
    from: shop.replace('depends_on: { db: ready }', 'lifecycle: { prevent_destroy: true }'),
    to: shop.slice(0, shop.indexOf('  web:')),
    code: 'SBX3130',
  },
];
for (const { name, from, to, code } of refusals) {
  t.test(`${name} is refused`, async (t) => {
    const plan = planOf({ from: applied(from), to });
    t.notOk(plan.ok);
    t.ok(!plan.ok && plan.diagnostics.some((found) => found.code === code), code);
  });
}

t.test('ignored fields keep what is there', async (t) => {
  const ignoring = shop.replace('A: one }', 'A: one }\n    lifecycle: { ignore_changes: [memory.size, env] }');
  const to = ignoring.replace('size: 256MiB,', 'size: 512MiB,').replace('A: one', 'A: two');
  t.ok(isEmptyPlan(mustPlan({ from: applied(ignoring), to })));
});

t.test('a change of a trigger replaces', async (t) => {
  const triggered = shop.replace('depends_on: { db: ready }', 'lifecycle: { replace_triggered_by: [network.back] }');
  const plan = mustPlan({
    from: applied(triggered),
    to: triggered.replace('10.69.0.0/24, mode: nat', '10.69.0.0/24, mode: isolated'),
  });
  t.ok(plan.changes.some((change) => change.action === 'replace' && change.address === 'vm.web'));
});

t.test('a target brings along what it needs and nothing else', async (t) => {
  const plan = mustPlan({ to: shop, options: { targets: [addressOf('db')] } });
  t.strictSame(
    plan.changes.map(({ address }) => address),
    ['sandbox', 'image.base', 'volume.pg', 'network.lan', 'vm.db'],
  );
});

t.test('an interrupted creation is finished from the beginning', async (t) => {
  const state = {
    ...world.state,
    resources: world.state.resources.map((record) =>
      record.address === 'vm.web' ? { ...record, status: 'creating' as const } : record,
    ),
  };
  const plan = mustPlan({ from: { ...world, state }, to: shop });
  t.match(plan.changes, [{ action: 'create', address: 'vm.web', resumes: true }]);
  t.equal(plan.steps[0]?.action.op, 'vm.stop', 'what may run half-made ends first');
});

t.test('more memory than the host has is known before', async (t) => {
  const host = { ...world.observed.host, memoryAvailableBytes: 300 * 1024 * 1024 };
  const nothing = {
    ...world,
    state: { ...world.state, resources: [] },
    observed: { ...world.observed, vms: new Map(), host },
  };
  const plan = planOf({ from: nothing, to: shop });
  t.ok(!plan.ok && plan.diagnostics.some((found) => found.code === 'SBX3101'));
});
