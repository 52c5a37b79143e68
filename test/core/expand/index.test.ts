import t from 'tap';
import { expandText, patternsOf, problemsOf, vmsOf, withImage } from '../../support/expanding.ts';

t.test('everything a VM leaves out has a default', async (t) => {
  const found = expandText(
    withImage('networks: { lan: { subnet: 10.70.0.0/24 } }\nvms: { web: { image: base, networks: { lan: {} } } }\n'),
  );
  t.ok(found.ok);
  if (!found.ok) return;
  t.strictSame([...found.value.resources.keys()], ['sandbox', 'image.base', 'network.lan', 'vm.web']);
  const { place, ...vm } =
    vmsOf(
      withImage('networks: { lan: { subnet: 10.70.0.0/24 } }\nvms: { web: { image: base, networks: { lan: {} } } }\n'),
    )['vm.web'] ?? {};
  t.match(place?.(), { file: 'sbx.yaml', line: 5, column: 8 });
  t.strictSame(vm, {
    kind: 'vm',
    address: 'vm.web',
    image: 'image.base',
    hostname: 'web',
    cpus: { count: 1, max: 1 },
    memory: { sizeBytes: 2 ** 28, maxBytes: 2 ** 28 },
    disks: new Map([['root', { type: 'root' }]]),
    nics: new Map([
      [
        'lan',
        {
          network: 'network.lan',
          ip: '10.70.0.10',
          prefix: 24,
          gateway: '10.70.0.1',
          mac: 'a6:09:15:40:38:ac',
          ports: [],
        },
      ],
    ]),
    env: new Map(),
    state: 'running',
    onExit: 'restart',
    ready: { type: 'boot', timeoutMs: 120_000 },
    readyByDefault: true,
    dependsOn: [],
    lifecycle: { preventDestroy: false, ignoreChanges: [], replaceTriggeredBy: [] },
  });
});

t.test('a template gives what the VM does not say itself', async (t) => {
  const vms = vmsOf(
    withImage(`templates:
  small: { image: base, cpus: { count: 1, max: 4 }, memory: 512MiB, env: { A: "1", B: "2" } }
vms:
  web: { template: small, cpus: { count: 2 }, env: { B: "3" }, memory: { size: 128MiB, max: 1GiB } }
`),
  );
  t.strictSame(vms['vm.web']?.cpus, { count: 2, max: 4 });
  t.strictSame(vms['vm.web']?.memory, { sizeBytes: 2 ** 27, maxBytes: 2 ** 30 });
  t.strictSame(
    [...(vms['vm.web']?.env ?? [])].map(([name, { value }]) => `${name}=${value}`),
    ['A=1', 'B=3'],
  );
});

t.test('count and for_each make VMs with keys', async (t) => {
  const vms = vmsOf(
    withImage(`variables: { workers: { type: integer, default: 2 } }
vms:
  web: { image: base, count: "\${var.workers}", env: { N: "\${count.index}" } }
  job: { image: base, for_each: [a, B_c], env: { K: "\${each.key}" } }
  kv: { image: base, for_each: { x: { mem: 1GiB } }, memory: "\${each.value.mem}", hostname: "h-\${each.key}" }
  none: { image: base, count: 0 }
`),
  );
  t.strictSame(Object.keys(vms), ['vm.web[0]', 'vm.web[1]', 'vm.job["a"]', 'vm.job["B_c"]', 'vm.kv["x"]']);
  t.strictSame(
    Object.values(vms).map(({ hostname }) => hostname),
    ['web-0', 'web-1', 'job-a', 'job-b-c', 'h-x'],
  );
  t.equal(vms['vm.web[1]']?.env.get('N')?.value, '1');
  t.equal(vms['vm.kv["x"]']?.memory.sizeBytes, 2 ** 30);
});

t.test('variables come from flags, files, the environment and defaults, in this order', async (t) => {
  const text = withImage(`variables:
  a: { type: integer, default: 1 }
  b: { type: integer, default: 1 }
  c: { type: integer, default: 1 }
  d: { type: integer, default: 1 }
  list: { type: list, default: [] }
outputs: { all: "\${json(var.list)} \${var.a}\${var.b}\${var.c}\${var.d}", typed: "\${var.a}" }
`);
  const found = expandText(text, {
    variables: {
      flags: { a: '4', list: 'x, y' },
      files: [
        { path: 'one.yaml', values: { a: 3, b: 2 } },
        { path: 'two.yaml', values: { b: 3 } },
      ],
      environment: { a: '2', b: '2', c: '2', other: 'ignored' },
    },
  });
  t.ok(found.ok);
  if (!found.ok) return;
  t.equal(found.value.outputs.get('all')?.value, '["x","y"] 4321');
  t.equal(found.value.outputs.get('typed')?.value, 4, 'a reference alone keeps its type');
});

t.test('a value that does not fit its variable is refused', async (t) => {
  const declare = (declaration: string) =>
    withImage(`variables: { v: { ${declaration} } }\noutputs: { v: "\${var.v}" }\n`);
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['type: integer', '4', true],
    ['type: integer', '4.5', false],
    ['type: integer', '', false],
    ['type: integer, minimum: 5', '4', false],
    ['type: integer, maximum: 3', '4', false],
    ['type: number', '4.5', true],
    ['type: boolean', 'true', true],
    ['type: boolean', 'yes', false],
    ['enum: [a, b]', 'a', true],
    ['enum: [a, b]', 'c', false],
    ['type: list, enum: [a, b]', 'a,b', true],
    ['type: list, enum: [a, b]', 'a,c', false],
    ['pattern: "[a-z]+"', 'abc', true],
    ['pattern: "[a-z]+"', 'abc1', false],
    ['pattern: "(a+)+$"', 'aaaa', true],
    ['pattern: "a|ab"', 'ab', true],
    ['pattern: "b"', 'abc', false],
    ['pattern: "(?<y>[0-9]{4})-\\\\u0041"', '2026-A', true],
    ['pattern: "(?=a)a"', 'a', false],
    ['pattern: "(a)\\\\1"', 'aa', false],
    ['pattern: "("', 'a', false],
    ['type: list, pattern: "[a-z]+"', 'a,b', true],
    ['type: list, pattern: "[a-z]+"', 'a,1', false],
    ['pattern: "((a{1,1000}){1,1000})"', 'a', false],
  ];
  for (const [declaration, value, fits] of cases) {
    const problems = problemsOf(declare(declaration), {
      variables: { flags: { v: value }, files: [], environment: {} },
      patterns: await patternsOf(declare(declaration)),
    });
    t.strictSame(
      [...new Set(problems.map((each) => each.slice(0, 7)))],
      fits ? [] : ['SBX2002'],
      `${declaration} = ${value}`,
    );
  }
  t.strictSame(problemsOf(declare('type: string')), ['SBX2003 5:15'], 'no value at all');
  t.strictSame(problemsOf(declare('type: string').replace('var.v}', 'var.w}')), ['SBX2104 5:15']);
});

t.test('sensitive values reach env and outputs, marked, and nothing else', async (t) => {
  const variables = 'variables: { token: { sensitive: true, default: s3cret } }\n';
  const text = withImage(
    `${variables}vms: { web: { image: base, env: { T: "x-\${var.token}", U: plain } } }\noutputs: { o: ["\${var.token}"] }\n`,
  );
  const env = vmsOf(text)['vm.web']?.env;
  t.strictSame(env?.get('T'), { value: 'x-s3cret', sensitive: true });
  t.strictSame(env?.get('U'), { value: 'plain', sensitive: false });
  const found = expandText(text);
  t.strictSame(found.ok && found.value.outputs.get('o'), { value: ['s3cret'], sensitive: true });
  for (const use of ['hostname: "${var.token}"', 'cmdline: "a=${var.token}"', 'ready: { exec: ["${var.token}"] }'])
    t.match(problemsOf(withImage(`${variables}vms: { web: { image: base, ${use} } }\n`)), [/^SBX2004/], use);
});

t.test('a wrong sensitive value is not shown', async (t) => {
  const found = expandText(withImage('variables: { pin: { type: integer, sensitive: true } }\n'), {
    variables: { flags: { pin: 'hunter2' }, files: [], environment: {} },
  });
  t.notOk(found.ok);
  t.notMatch(JSON.stringify(found), 'hunter2');
});

t.test('the same file and inputs give the same result', async (t) => {
  const text = withImage(`networks: { a: {}, b: {} }
vms:
  web: { image: base, count: 20, networks: { a: { ports: ["auto:80"] }, b: {} } }
`);
  const once = expandText(text);
  const twice = expandText(text);
  t.ok(once.ok);
  const shown = (value: unknown): string =>
    JSON.stringify(value, (_key, item: unknown) => (item instanceof Map ? [...item] : item));
  t.equal(shown(once), shown(twice));
});

t.test('what nothing uses is a warning', async (t) => {
  const found = expandText(withImage('variables: { v: { default: a } }\ntemplates: { t: {} }\n'));
  t.ok(found.ok);
  if (found.ok)
    t.strictSame(
      found.warnings.map(({ code, detail }) => [code, detail]),
      [
        ['SBX2601', 'Nothing uses variable "v".'],
        ['SBX2601', 'Nothing uses template "t".'],
        ['SBX2601', 'Nothing uses image "base".'],
      ],
    );
});
