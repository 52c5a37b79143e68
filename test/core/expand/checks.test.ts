import t from 'tap';
import { expandText, problemsOf, vmsOf, withImage } from '../../support/expanding.ts';

const vm = (settings: string, more = '') => withImage(`${more}vms:\n  web: { image: base, ${settings} }\n`);

t.test('sizes that cannot be are refused', async (t) => {
  const cases: readonly (readonly [string, readonly RegExp[]])[] = [
    ['cpus: 0', [/^SBX1204/]],
    ['cpus: { count: 4, max: 2 }', [/^SBX2501/]],
    ['memory: 64MiB', [/^SBX2501/]],
    ['memory: 129MiB', [/^SBX2501/]],
    ['memory: 0B', [/^SBX2501/]],
    ['memory: { size: 1GiB, max: 512MiB }', [/^SBX2501/]],
    ['memory: 9999999999TiB', [/^SBX2501/]],
    ['disks: { tmp: { size: 100B } }', [/^SBX2501/]],
    ['disks: { tmp: { size: 1.001GiB } }', [/^SBX2501/]],
    ['ready: { boot: true, timeout: 0s }', [/^SBX2506/]],
    ['ready: { boot: true, timeout: 1m1h }', [/^SBX2506/]],
    ['memory: 96MiB', []],
    ['cpus: { count: 2, max: 2 }', []],
  ];
  for (const [settings, want] of cases) {
    const problems = problemsOf(vm(settings));
    t.equal(problems.length, want.length, settings);
    t.match(problems, want, settings);
  }
});

t.test('keys that contradict each other are refused', async (t) => {
  const volume = 'volumes: { pg: { size: 1GiB } }\n';
  const cases: readonly (readonly [string, RegExp])[] = [
    ['disks: { d: {} }', /^SBX2502/],
    ['disks: { d: { size: 1GiB, volume: pg } }', /^SBX2502/],
    ['disks: { root: { volume: pg } }', /^SBX2502/],
    ['disks: { d: { size: 1GiB, readonly: true } }', /^SBX2502/],
    ['disks: { d: { volume: gp } }', /^SBX2104/],
    ['ready: {}', /^SBX2502/],
    ['ready: { boot: true, tcp: 80 }', /^SBX2502/],
    ['ready: { boot: false }', /^SBX2502/],
    ['count: 2, for_each: [a]', /^SBX2201/],
    ['for_each: [a, a]', /^SBX2201/],
    ['for_each: ["../x"]', /^SBX2201/],
    ['for_each: [""]', /^SBX2201/],
    ['lifecycle: { ignore_changes: [memroy] }', /^SBX1204/],
    ['lifecycle: { replace_triggered_by: [network.none] }', /^SBX2104/],
    ['networks: { wan: {} }', /^SBX2104/],
    ['template: none', /^SBX2104/],
  ];
  for (const [settings, want] of cases) t.match(problemsOf(vm(settings, volume)), [want], settings);
  t.match(problemsOf('version: 1\nname: a\nvms: { a: {} }\n'), [/^SBX2203/], 'no image');
  t.match(problemsOf('version: 1\nname: a\nvms: { a: { image: none } }\n'), [/^SBX2104/], 'an unknown image');
});

t.test('a value that a reference brings is checked like one that is written', async (t) => {
  const of = (value: string, settings: string) =>
    problemsOf(
      vm(
        settings,
        `variables: { v: { type: ${typeof JSON.parse(value) === 'number' ? 'number' : 'string'}, default: ${value} } }\n`,
      ),
    );
  t.strictSame(of('3', 'cpus: "${var.v}"'), []);
  t.match(of('300', 'cpus: "${var.v}"'), [/^SBX1204 6:29/]);
  t.match(of('1.5', 'cpus: "${var.v}"'), [/^SBX1203/]);
  t.match(of('"2"', 'cpus: "${var.v}"'), [/^SBX1203/]);
  t.match(of('"big"', 'memory: "${var.v}"'), [/^SBX1204/]);
  t.match(of('"a b"', 'hostname: "${var.v}"'), [/^SBX1204/]);
  t.match(of('"off"', 'state: "${var.v}"'), [/^SBX1204/]);
  t.match(of('"../../etc"', 'disks: { d: { volume: "${var.v}" } }'), [/^SBX1204/]);
  t.match(of('"../../etc"', 'template: "${var.v}"'), [/^SBX2104/]);
  t.match(of('-1', 'count: "${var.v}"'), [/^SBX2201/]);
  t.match(of('"x\\u0000y"', 'env: { A: "${var.v}" }'), [/^SBX1204/]);
});

t.test('a volume that is written to belongs to one VM', async (t) => {
  const attach = (first: string, second: string) =>
    problemsOf(
      withImage(`volumes: { pg: { size: 1GiB } }
vms:
  a: { image: base, disks: { d: { volume: pg${first} } } }
  b: { image: base, disks: { d: { volume: pg${second} } } }
`),
    );
  t.match(attach('', ''), ['SBX2503 7:30']);
  t.match(attach('', ', readonly: true'), [/^SBX2503/]);
  t.match(attach(', readonly: true', ''), [/^SBX2503/]);
  t.strictSame(attach(', readonly: true', ', readonly: true'), []);
  t.match(problemsOf(vm('count: 2, disks: { d: { volume: pg } }', 'volumes: { pg: { size: 1GiB } }\n')), [/^SBX2503/]);
  t.strictSame(problemsOf(vm('count: 1, disks: { d: { volume: pg } }', 'volumes: { pg: { size: 1GiB } }\n')), []);
});

t.test('depends_on names VMs, all of a group or one', async (t) => {
  const text = withImage(`vms:
  db: { image: base, ready: { boot: true } }
  web: { image: base, count: 2, depends_on: { db: ready } }
  a: { image: base, depends_on: [web] }
  b: { image: base, depends_on: ["web[1]", db] }
`);
  const of = (address: string) => vmsOf(text)[address]?.dependsOn;
  t.strictSame(of('vm.web[1]'), [{ address: 'vm.db', until: 'ready' }]);
  t.strictSame(of('vm.a'), [
    { address: 'vm.web[0]', until: 'started' },
    { address: 'vm.web[1]', until: 'started' },
  ]);
  t.strictSame(of('vm.b'), [
    { address: 'vm.web[1]', until: 'started' },
    { address: 'vm.db', until: 'started' },
  ]);
  t.match(problemsOf(text.replace('depends_on: [web]', 'depends_on: [wbe]')), ['SBX2104 7:34']);
  t.match(problemsOf(text.replace('web[1]', 'web[7]')), [/^SBX2104/]);
  const saying = (words: string) => expandText(text.replace(', ready: { boot: true }', words));
  t.match(saying(', ready: none'), { ok: true, warnings: [{ code: 'SBX2602' }] }, 'what is never ready');
  t.match(saying(''), { ok: true, warnings: [] }, 'an image of sbx is waited for');
  const own = text.replace('build: tiny', 'kernel: ./vmlinuz');
  t.match(expandText(own.replace(', ready: { boot: true }', '')), { ok: true, warnings: [{ code: 'SBX2602' }] });
  t.match(expandText(own), { ok: true, warnings: [] }, 'files of your own are when they say so');
});

t.test('VMs that wait for each other are shown as a circle', async (t) => {
  const found = expandText(
    withImage(`vms:
  a: { image: base, depends_on: [b] }
  b: { image: base, depends_on: [c] }
  c: { image: base, depends_on: [a] }
  d: { image: base, depends_on: [a] }
  e: { image: base, depends_on: [e] }
`),
  );
  t.match(found, {
    ok: false,
    diagnostics: [
      { code: 'SBX2504', detail: 'These VMs wait for each other: a → b → c → a.' },
      { code: 'SBX2504', detail: 'These VMs wait for each other: e → e.' },
    ],
  });
});

t.test('a long chain of dependencies does not overflow', async (t) => {
  const lines = Array.from({ length: 9000 }, (_, at) => `  v${at}: { image: base, depends_on: [v${at + 1}] }\n`).join(
    '',
  );
  t.strictSame(problemsOf(withImage(`vms:\n${lines}  v9000: { image: base }\n`)), []);
});

t.test('what would be too much is refused', async (t) => {
  const groups = (count: number) =>
    withImage(`vms:\n  a: { image: base, count: ${count} }\n  b: { image: base, count: ${count}, depends_on: [a] }\n`);
  t.match(problemsOf(groups(5001)), [/^SBX2202/]);
  t.match(problemsOf(groups(2000)), [/^SBX2505/]);
  t.strictSame(problemsOf(groups(900)), []);
  const ports = vm(
    'count: 5000, networks: { lan: { ports: ["auto:1", "auto:2", "auto:3"] } }',
    'networks: { lan: { subnet: 10.64.0.0/16 } }\n',
  );
  t.match(problemsOf(ports), [/^SBX2401/]);
});

t.test('images name a recipe or files in allowed folders', async (t) => {
  const image = (settings: string) => `version: 1\nname: a\nimages: { i: { ${settings} } }\n`;
  const outside = { resolvePath: () => ({ problem: 'outside' as const }) };
  t.match(problemsOf(image('kernel: ../vmlinuz'), outside), ['SBX1004 3:24']);
  t.match(problemsOf(image('')), [/^SBX2502/]);
  t.match(problemsOf(image('disk: a.raw')), [/^SBX2502/]);
  t.match(problemsOf(image('build: tiny, kernel: a')), [/^SBX2502/]);
  t.match(problemsOf(image('build: ../../tiny')), [/^SBX1204/]);
  const found = expandText(image('kernel: ./vmlinuz, initrd: i.gz, cmdline: quiet, disk: d.raw'));
  t.strictSame(found.ok && [...found.value.resources.values()].map((each) => each.kind === 'image' && each.source), [
    false,
    { type: 'files', kernel: '/work/vmlinuz', initrd: '/work/i.gz', cmdline: 'quiet', disk: '/work/d.raw' },
  ]);
  const without =
    'version: 1\nname: a\nimages: { i: { kernel: k } }\nvms: { v: { image: i, disks: { root: { size: 1GiB } } } }\n';
  t.match(problemsOf(without), [/^SBX2502/], 'an image without a disk has no root');
  t.strictSame([...(vmsOf(without.replace(/, disks.*? } }/, ''))['vm.v']?.disks ?? [])], []);
});

t.test('what says nothing of ready is waited for when its image brings the agent', async (t) => {
  const of = (text: string) => {
    const { ready, readyByDefault } = vmsOf(text)['vm.web'] ?? {};
    return { ready, readyByDefault };
  };
  const boot = { type: 'boot', timeoutMs: 120_000 };
  const own = (text: string): string => text.replace('build: tiny', 'kernel: ./vmlinuz');
  t.strictSame(of(vm('cpus: 1')), { ready: boot, readyByDefault: true });
  t.strictSame(of(own(vm('cpus: 1'))), { ready: undefined, readyByDefault: true });
  t.strictSame(of(vm('ready: none')), { ready: undefined, readyByDefault: false });
  t.strictSame(of(vm('ready: "${var.how}"', 'variables: { how: { type: string, default: none } }\n')), {
    ready: undefined,
    readyByDefault: false,
  });
  t.strictSame(of(own(vm('ready: { boot: true }'))), { ready: boot, readyByDefault: false });
  const template = (settings: string): string =>
    withImage(`templates: { small: { image: base, ready: none } }\nvms: { web: { template: small${settings} } }\n`);
  t.match(of(template('')), { ready: undefined });
  t.match(of(template(', ready: { tcp: 80 }')), { ready: { type: 'tcp', port: 80 } });
  t.match(problemsOf(vm('ready: never')), [/^SBX120/]);
});

t.test('ready takes each of its forms', async (t) => {
  const ready = (settings: string) => vmsOf(vm(`ready: { ${settings} }`))['vm.web']?.ready;
  t.strictSame(ready('boot: true'), { type: 'boot', timeoutMs: 120_000 });
  t.strictSame(ready('tcp: 5432, timeout: 1m30s'), { type: 'tcp', port: 5432, timeoutMs: 90_000 });
  t.strictSame(ready('http: 80'), { type: 'http', port: 80, path: '/', timeoutMs: 120_000 });
  t.strictSame(ready('http: { port: 80, path: /health }'), {
    type: 'http',
    port: 80,
    path: '/health',
    timeoutMs: 120_000,
  });
  t.strictSame(ready('exec: [pg_isready, -q]'), { type: 'exec', argv: ['pg_isready', '-q'], timeoutMs: 120_000 });
});

t.test('a file that names everything by variables expands', async (t) => {
  const found = expandText(
    withImage(`expires: \${var.lease}
variables: { lease: { default: 4h }, size: { default: 10GiB }, net: { default: 10.70.0.0/24 }, tpl: { default: small } }
volumes: { pg: { size: "\${var.size}", protect: true } }
networks: { lan: { subnet: "\${var.net}" } }
templates: { small: { image: base } }
vms: { db: { template: "\${var.tpl}", disks: { d: { volume: pg } }, networks: { lan: {} } } }
`),
  );
  t.match(found, { ok: true, value: { expiresMs: 14_400_000 }, warnings: [] });
});

t.test('a word that a reference gives is one of those that the key takes, or refused', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['networks: { lan: { mode: "${var.x}" } }\n', /^SBX1204/],
    ['vms: { a: { image: base, state: "${var.x}" } }\n', /^SBX1204/],
    ['vms: { a: { image: base, on_exit: "${var.x}" } }\n', /^SBX1204/],
    ['vms: { a: { image: base, ready: "${var.x}" } }\n', /^SBX1204/],
    ['vms: { a: { image: base }, b: { image: base, depends_on: { a: "${var.x}" } } }\n', /^SBX1204/],
  ];
  for (const word of ['bridged', 'Isolated', '', 'isolated ', 'none\n'])
    for (const [text, want] of cases) {
      const variables = `variables: { x: { type: string, default: ${JSON.stringify(word)} } }\n`;
      t.match(problemsOf(withImage(`${variables}${text}`)), [want], `${JSON.stringify(word)} in ${text}`);
    }
});
