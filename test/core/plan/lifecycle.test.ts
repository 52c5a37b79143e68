// prevent_destroy, ignore_changes, replace_triggered_by, protect, --target, --replace, start and stop: also where they meet.
import t from 'tap';
import { formatAddress } from '../../../src/core/address.ts';
import { isEmptyPlan, type Plan } from '../../../src/core/plan/plan.ts';
import {
  type Applied,
  addressOf,
  applied,
  changeLine,
  hash,
  mustPlan,
  type Planning,
  planOf,
  seenAs,
} from '../../support/planning.ts';

const file = `version: 1
name: shop
images:
  base: { build: tiny }
  own: { kernel: ./vmlinuz, disk: ./root.img }
volumes:
  pg: { size: 1GiB }
networks:
  lan: { subnet: 10.68.0.0/24 }
  back: { subnet: 10.69.0.0/24 }
vms:
  front:
    image: base
    depends_on: [db]
    networks: { lan: { address: 10.68.0.20 } }
  db:
    image: base
    cpus: { count: 1, max: 4 }
    disks: { data: { volume: pg }, tmp: { size: 1GiB } }
    networks: { lan: { address: 10.68.0.10, ports: ["5432"] } }
    env: { A: one }
  job:
    count: 2
    image: own
    networks: { back: {} }
`;
const world = applied(file);

/** The file with more lines in one VM. */
function withLines(vm: string, lines: string, text = file): string {
  return text.replace(`  ${vm}:\n`, `  ${vm}:\n    ${lines}\n`);
}

function without(vm: string, text = file): string {
  return text.replace(new RegExp(`  ${vm}:\\n(    .*\\n)+`), '');
}

const lines = (plan: Plan): readonly string[] => plan.changes.map(changeLine);
const codesOf = (planning: Planning): readonly string[] => {
  const plan = planOf(planning);
  return plan.ok ? [] : plan.diagnostics.map(({ code }) => code);
};

t.test('prevent_destroy refuses whatever would end the VM, and nothing else', async (t) => {
  const guarded = withLines('job', 'lifecycle: { prevent_destroy: true }');
  const from = applied(guarded);
  const cases: readonly (readonly [string, Partial<Planning>, boolean])[] = [
    ['it leaves the file', { to: without('job', guarded) }, true],
    ['one of two leaves', { to: guarded.replace('count: 2', 'count: 1') }, true],
    ['everything is destroyed', { mode: 'destroy' }, true],
    ['it is replaced by its fields', { to: guarded.replace('./root.img', './new.img') }, true],
    ['it is replaced by hand', { to: guarded, options: { replace: [addressOf('job[1]')] } }, true],
    ['it restarts', { to: withLines('job', 'env: { A: b }', guarded) }, false],
    ['another one goes', { to: without('front', guarded) }, false],
    [
      'it goes, but something else is targeted',
      { to: without('job', guarded), options: { targets: [addressOf('db')] } },
      false,
    ],
    ['it is no longer guarded, and goes at the next apply', { to: file }, false],
  ];
  for (const [name, planning, refused] of cases) {
    t.equal(codesOf({ from, ...planning }).includes('SBX3130'), refused, name);
  }
});

t.test('ignore_changes keeps one field, a map, one entry of a map, or one value inside of it', async (t) => {
  const cases: readonly (readonly [string, readonly [string, string], readonly string[]])[] = [
    ['cpus', ['count: 1, max: 4', 'count: 2, max: 8'], []],
    ['cpus.max', ['count: 1, max: 4', 'count: 2, max: 8'], ['update vm.db live: cpus.count']],
    ['image', ['image: base\n    cpus', 'image: own\n    cpus'], []],
    ['env', ['A: one', 'A: two, B: new'], []],
    ['env.A', ['A: one', 'A: two, B: new'], ['update vm.db restart: env.B']],
    ['env.B', ['A: one', 'A: one, B: new'], []],
    ['disks', [', tmp: { size: 1GiB }', ', tmp: { size: 2GiB }, more: { size: 1GiB }'], []],
    ['disks.tmp', [', tmp: { size: 1GiB }', ''], []],
    ['disks.tmp.size', [', tmp: { size: 1GiB }', ', tmp: { size: 2GiB }'], []],
    ['disks.tmp.size', [', tmp: { size: 1GiB }', ''], ['update vm.db replace: disks.tmp']],
    [
      'disks.more.size',
      [', tmp: { size: 1GiB }', ', tmp: { size: 1GiB }, more: { size: 1GiB }'],
      ['update vm.db live: disks.more'],
    ],
    [
      'networks',
      [
        'lan: { address: 10.68.0.10, ports: ["5432"] }',
        'lan: { address: 10.68.0.11, ports: ["5432"] }, back: { address: 10.69.0.99 }',
      ],
      [],
    ],
    ['networks.lan.address', ['10.68.0.10', '10.68.0.11'], []],
    [
      'networks.back.address',
      ['ports: ["5432"] }', 'ports: ["5432"] }, back: { address: 10.69.0.99 }'],
      ['update vm.db restart: networks.back'],
    ],
    ['networks.lan.ports', ['"5432"', '"6000:5432"'], []],
    ['state', ['image: base\n    cpus', 'image: base\n    state: stopped\n    cpus'], []],
  ];
  for (const [ignored, edit, want] of cases) {
    const before = withLines('db', `lifecycle: { ignore_changes: [${ignored}] }`);
    const to = before.replace(...edit);
    t.not(to, before, `${ignored}: the edit changes the file`);
    t.strictSame(lines(mustPlan({ from: applied(before), to })), want, ignored);
  }
});

t.test(
  'an ignored secret is kept until the VM boots: then it is that of the file, for nothing else knows it',
  async (t) => {
    const secret = (value: string, text = file): string =>
      withLines('db', 'lifecycle: { ignore_changes: [env] }', text)
        .replace('images:', `variables:\n  token: { type: string, sensitive: true, default: ${value} }\nimages:`)
        .replace('env: { A: one }', 'env: { A: one, TOKEN: "${var.token}" }');
    const from = applied(secret('old'));
    const rotated = secret('newer');
    t.strictSame(lines(mustPlan({ from, to: rotated })), [], 'alone it changes nothing');
    const restarts = rotated.replace('max: 4', 'max: 8');
    const plan = mustPlan({ from, to: restarts });
    t.strictSame(lines(plan), ['update vm.db restart: cpus.max, env.TOKEN']);
    const seed = plan.steps.find(({ action }) => action.op === 'vm.seed')?.action;
    t.match(
      seed,
      { attrs: { env: { A: 'one', TOKEN: { sensitive: hash('newer') } } } },
      'what is recorded is what it gets',
    );
    const gone = restarts.replace(', TOKEN: "${var.token}"', '');
    t.match(
      mustPlan({ from, to: gone }).steps.find(({ action }) => action.op === 'vm.seed')?.action,
      { attrs: { env: { TOKEN: undefined } } },
      'one that the file does not have any more goes',
    );
    t.strictSame(lines(mustPlan({ from, to: rotated, options: { replace: [addressOf('db')] } })), [
      'replace vm.db: env.TOKEN',
    ]);
  },
);

t.test('what a VM goes on using cannot leave the file', async (t) => {
  const ignoring = withLines('db', 'lifecycle: { ignore_changes: [disks, networks, image] }');
  const from = applied(ignoring);
  const noVolume = ignoring.replace('volumes:\n  pg: { size: 1GiB }\n', '').replace('data: { volume: pg }, ', '');
  t.strictSame(codesOf({ from, to: noVolume }), ['SBX3116'], 'a volume');
  const noNetwork = without('front', ignoring)
    .replace('  lan: { subnet: 10.68.0.0/24 }\n', '')
    .replace('networks: { lan: { address: 10.68.0.10, ports: ["5432"] } }', 'hostname: db');
  t.strictSame(codesOf({ from, to: noNetwork }), ['SBX3116'], 'a network');
  const ownOnly = ignoring.replace('  base: { build: tiny }\n', '').replaceAll('image: base', 'image: own');
  const plan = mustPlan({ from, to: without('front', ownOnly) });
  t.notOk(
    plan.changes.some(({ address }) => address === 'image.base'),
    'an image stays as long as it is used',
  );
});

t.test('a trigger may be a volume, a network, an image, or a VM that stands before or after', async (t) => {
  const replaced = (trigger: string, edit: readonly [string, string]): boolean => {
    const before = withLines('front', `lifecycle: { replace_triggered_by: [${trigger}] }`);
    const after = before.replace(...edit);
    if (before === after) throw new TypeError('the edit changes nothing');
    const plan = mustPlan({ from: applied(before), to: after });
    return plan.changes.some(({ address, action }) => address === 'vm.front' && action === 'replace');
  };
  t.ok(replaced('volume.pg', ['pg: { size: 1GiB }', 'pg: { size: 2GiB }']));
  t.ok(replaced('network.back', ['10.69.0.0/24', '10.70.0.0/24']));
  t.ok(replaced('image.own', ['./root.img', './new.img']));
  t.ok(replaced('vm.db', ['A: one', 'A: two']), 'a VM that stands after it');
  t.ok(replaced('"vm.job[1]"', ['./root.img', './new.img']), 'one of several');
  t.notOk(replaced('network.back', ['10.68.0.0/24', '10.68.0.0/25']), 'another network is no trigger');
});

t.test('a replacement that is left out, or cut short, is owed until it is done', async (t) => {
  const before = withLines('front', 'lifecycle: { replace_triggered_by: [volume.pg] }');
  const to = before.replace('pg: { size: 1GiB }', 'pg: { size: 2GiB }');
  const from = applied(before);
  for (const targets of [[formatAddress({ kind: 'volume', name: 'pg' })], []]) {
    const { steps } = mustPlan({ from, to, options: { targets } });
    const owed = steps.find(({ address, action }) => address === 'vm.front' && action.op === 'record');
    t.match(owed, { after: { facts: { owes: ['volume.pg'] } }, needs: [] });
    const grow = steps.filter(({ address }) => address === 'volume.pg');
    t.ok(
      grow.length > 0 && grow.every(({ needs }) => needs.includes(owed?.id ?? '')),
      'noted before its cause changes',
    );
  }
  const resources = applied(to).state?.resources.map((record) =>
    record.address === 'vm.front' ? { ...record, facts: { ...record.facts, owes: ['volume.pg'] } } : record,
  );
  const now = applied(to);
  const state = { ...now.state, resources } as typeof now.state;
  const next = mustPlan({ from: { ...now, state }, to });
  t.match(next.changes, [{ address: 'vm.front', action: 'replace', because: /volume.pg changed before/ }]);
  const removed = next.steps.find(({ address, action }) => address === 'vm.front' && action.op === 'vm.delete');
  t.match(removed?.after, { drops: ['owes'] }, 'paid by the replacement');
  const free = to.replace('lifecycle: { replace_triggered_by: [volume.pg] }', 'lifecycle: {}');
  t.notOk(mustPlan({ from: { ...now, state }, to: free }).changes.some(({ action }) => action === 'replace'));
});

t.test('triggers chain, and end where they form a circle', async (t) => {
  const chain = withLines(
    'front',
    'lifecycle: { replace_triggered_by: [vm.db] }',
    withLines('db', 'lifecycle: { replace_triggered_by: [network.back] }'),
  );
  const plan = mustPlan({ from: applied(chain), to: chain.replace('10.69.0.0/24', '10.70.0.0/24') });
  const replaced = plan.changes.filter(({ action }) => action === 'replace').map(({ address }) => address);
  t.strictSame(replaced, ['vm.front', 'vm.db']);
  const circle = withLines(
    'front',
    'lifecycle: { replace_triggered_by: [vm.db] }',
    withLines('db', 'lifecycle: { replace_triggered_by: [vm.front] }'),
  );
  const round = mustPlan({ from: applied(circle), to: circle.replace('A: one', 'A: two') });
  t.strictSame(
    round.changes.map(({ action, address }) => `${action} ${address}`),
    ['replace vm.front', 'replace vm.db'],
  );
});

t.test('neither a repair nor something new is a reason to replace', async (t) => {
  const triggered = withLines('front', 'lifecycle: { replace_triggered_by: [network.lan, vm.db] }');
  const from = applied(triggered);
  const paused = seenAs(from, 'db', (before) => ({ ...before, state: 'paused' }) as typeof before);
  const unplugged = { ...paused, observed: { ...paused.observed, sandbox: { ...paused.observed.sandbox, links: {} } } };
  for (const broken of [paused, unplugged]) {
    const plan = mustPlan({ from: broken, to: triggered });
    t.notOk(plan.changes.some(({ action }) => action === 'replace'));
  }
  const newcomer = withLines('front', 'lifecycle: { replace_triggered_by: [volume.new] }').replace(
    'volumes:\n',
    'volumes:\n  new: { size: 1GiB }\n',
  );
  t.strictSame(lines(mustPlan({ from: world, to: newcomer })), [
    'create volume.new',
    'update vm.front live: lifecycle',
  ]);
});

const targetCases: readonly (readonly [string, Partial<Planning>, readonly string[]])[] = [
  [
    'a VM brings what it needs',
    { to: file, options: { targets: [addressOf('db')] } },
    ['sandbox', 'image.base', 'volume.pg', 'network.lan', 'vm.db'],
  ],
  [
    'a name stands for all of its VMs',
    { to: file, options: { targets: [addressOf('job')] } },
    ['sandbox', 'image.own', 'network.back', 'vm.job[0]', 'vm.job[1]'],
  ],
];
for (const [name, planning, want] of targetCases) {
  t.test(`--target: ${name}`, async (t) => {
    t.strictSame(
      mustPlan(planning).changes.map(({ address }) => address),
      want,
    );
  });
}

t.test(
  '--target of what left the file removes it with what depends on it, and leaves its neighbours alone',
  async (t) => {
    const to = without('db', without('front'))
      .replace('volumes:\n  pg: { size: 1GiB }\n', '')
      .replace('10.69.0.0/24', '10.70.0.0/24');
    const gone = mustPlan({ from: world, to, options: { targets: [addressOf('db')] } });
    t.strictSame(lines(gone), ['delete vm.front', 'delete vm.db'], 'not the volume, not the other network');
    const volume = mustPlan({ from: world, to, options: { targets: [addressOf('volume.pg')] } });
    t.strictSame(lines(volume), ['delete volume.pg', 'delete vm.front', 'delete vm.db']);
  },
);

t.test('problems of what is not targeted stand in nobody’s way', async (t) => {
  const to = file.replace('pg: { size: 1GiB }', 'pg: { size: 1MiB }');
  t.strictSame(codesOf({ from: world, to }), ['SBX3110']);
  t.strictSame(codesOf({ from: world, to, options: { targets: [addressOf('job')] } }), []);
});

t.test('addresses that nothing has are an error, not an empty plan', async (t) => {
  t.strictSame(codesOf({ from: world, to: file, options: { targets: [addressOf('nobody')] } }), ['SBX3143']);
  t.strictSame(codesOf({ from: world, to: file, options: { replace: [addressOf('job[7]')] } }), ['SBX3143']);
  t.strictSame(
    codesOf({ from: world, to: file, options: { replace: [addressOf('network.lan')] } }),
    ['SBX3143'],
    'only VMs',
  );
});

t.test('--replace makes one VM anew, or all of a name', async (t) => {
  const one = mustPlan({ from: world, to: file, options: { replace: [addressOf('job[1]')] } });
  t.strictSame(lines(one), ['replace vm.job[1]']);
  t.strictSame(one.changes[0]?.price.lostDisks, [{ name: 'root', sizeBytes: null }]);
  const all = mustPlan({ from: world, to: file, options: { replace: [addressOf('job')] } });
  t.strictSame(lines(all), ['replace vm.job[0]', 'replace vm.job[1]']);
});

function power(to: 'start' | 'stop' | 'restart', vm: string, from: Applied, text = file): Planning {
  const address = addressOf(vm);
  const options = {
    targets: [address],
    only: true,
    holds: new Map([[address, to === 'stop']]),
    restart: to === 'restart' ? [address] : [],
  };
  return { from, to: text, options };
}

t.test('stop, start and restart carry no change of the file along', async (t) => {
  const edited = file
    .replace('A: one', 'A: two')
    .replace('count: 1, max: 4', 'count: 3, max: 8')
    .replace('./root.img', './new.img');
  const stop = mustPlan(power('stop', 'db', world, edited));
  t.strictSame(lines(stop), ['update vm.db restart: state']);
  t.strictSame(stop.changes[0]?.price.downtimeMs, 0, 'what is stopped for good has no downtime');
  t.strictSame(stop.changes[0]?.price.touches, ['vm.front']);
  t.strictSame(lines(mustPlan(power('restart', 'db', world, edited))), ['update vm.db restart: state']);
  for (const { action } of mustPlan(power('restart', 'db', world, edited)).steps)
    if (action.op === 'vm.start') t.match(action.attrs, { cpus: { count: 1 }, env: { A: 'one' } });
});

t.test('a VM that left the file is stopped and started all the same', async (t) => {
  t.strictSame(lines(mustPlan(power('stop', 'db', world, without('db', without('front'))))), [
    'update vm.db restart: state',
  ]);
});

t.test('a hold lasts over plans until start, and an empty plan follows both', async (t) => {
  const resources = world.state.resources.map((record) =>
    record.kind === 'vm' && record.address === 'vm.db' ? { ...record, attrs: { ...record.attrs, hold: true } } : record,
  );
  const held = seenAs({ ...world, state: { ...world.state, resources } }, 'db', { state: 'absent' });
  t.ok(isEmptyPlan(mustPlan({ from: held, to: file })), 'held is no drift');
  const started = mustPlan(power('start', 'db', held));
  t.strictSame(lines(started), ['update vm.db live: state']);
  t.ok(started.steps.some(({ action }) => action.op === 'vm.start' && !action.attrs.hold));
  const edited = mustPlan({ from: held, to: file.replace('A: one', 'A: two') });
  t.strictSame(lines(edited), ['update vm.db next-boot: env.A'], 'a change waits for the start');
  t.notOk(edited.steps.some(({ action }) => action.op === 'vm.start'));
});

t.test('what an earlier apply left half-made is not started or stopped', async (t) => {
  for (const status of ['creating', 'deleting'] as const) {
    const resources = world.state.resources.map((record) =>
      record.address === 'vm.db' ? { ...record, status } : record,
    );
    const half = { ...world, state: { ...world.state, resources } };
    t.strictSame(codesOf(power('stop', 'db', half)), ['SBX3142'], status);
  }
});

t.test(
  'protect: kept by destroy and by --target of it, gone with --purge, refused when it leaves the file',
  async (t) => {
    const kept = file.replace('pg: { size: 1GiB }', 'pg: { size: 1GiB, protect: true }');
    const from = applied(kept);
    const gone = (planning: Partial<Planning>): boolean =>
      mustPlan({ from, mode: 'destroy', ...planning }).changes.some(({ address }) => address === 'volume.pg');
    t.notOk(gone({}));
    t.notOk(gone({ options: { targets: [addressOf('volume.pg')] } }));
    t.ok(gone({ options: { purge: true } }));
    t.match(
      mustPlan({ from, mode: 'destroy', options: { purge: true } }).changes.find(
        ({ address }) => address === 'volume.pg',
      )?.price,
      {
        lostDisks: [{ name: 'volume.pg', sizeBytes: 2 ** 30 }],
      },
    );
    const left = kept.replace(/volumes:\n.*\n/, '').replace('data: { volume: pg }, ', '');
    t.strictSame(codesOf({ from, to: left }), ['SBX3111']);
  },
);

t.test(
  'what a record needs follows the file, so that removal finds an order however often it turned round',
  async (t) => {
    const turned = file.replace('    depends_on: [db]\n', '').replace('  db:\n', '  db:\n    depends_on: [front]\n');
    const plan = mustPlan({ from: world, to: turned });
    t.strictSame(lines(plan), ['update vm.front live: depends_on', 'update vm.db live: depends_on']);
    const ends = plan.steps.map(({ after }) => (after.type === 'patched' ? after.dependsOn : undefined));
    t.strictSame(ends, [
      ['image.base', 'network.lan'],
      ['image.base', 'volume.pg', 'network.lan', 'vm.front'],
    ]);
    // An apply that was cut short between the two.
    const resources = world.state.resources.map((record) =>
      record.address === 'vm.db' ? { ...record, dependsOn: [...record.dependsOn, addressOf('front')] } : record,
    );
    const torn = mustPlan({ from: { ...world, state: { ...world.state, resources } }, mode: 'destroy' });
    t.equal(torn.steps.at(-1)?.id, 'sandbox/sandbox.close');
  },
);
