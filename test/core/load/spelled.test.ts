// Where the schema wants text, a plain scalar is its source text; where it wants a number, one that cannot be held is an error.
import fc from 'fast-check';
import t from 'tap';
import { loadDocument } from '../../../src/core/load/index.ts';
import { isExact, isSpelled, spell } from '../../../src/core/load/spelled.ts';
import { expandText, problemsOf, vmsOf, withImage } from '../../support/expanding.ts';

const envOf = (text: string, inputs = {}): Readonly<Record<string, string>> =>
  Object.fromEntries([...(vmsOf(text, inputs)['vm.web']?.env ?? [])].map(([name, { value }]) => [name, value]));

const texts = [
  '9007199254740993',
  '1.10',
  '0755',
  '0x1F',
  '0o17',
  '1e3',
  '.5',
  '+1',
  '-0',
  '1.',
  '.inf',
  '.NaN',
  'true',
  'True',
  'yes',
  'off',
  '2001-01-01',
  '12:30:45',
  '1_000',
  '0.1',
  '123456789012345678901234567890',
];

t.test('a plain scalar in an environment is its text', async (t) => {
  const lines = texts.map((text, at) => `      V${at}: ${text}\n`).join('');
  const env = envOf(withImage(`vms:\n  web:\n    image: base\n    env:\n${lines}`));
  t.strictSame(Object.values(env), texts);
});

t.test('also in lists, other fields of text, templates and merged files', async (t) => {
  const [vm] = Object.values(
    vmsOf(
      withImage(`templates: { t: { env: { A: 1.10 }, cmdline: 0755 } }
vms: { web: { image: base, template: t, hostname: 007, ready: { exec: [sleep, 1.50, 3, true, null, ~] } } }
`),
    ),
  );
  t.match(vm, { hostname: '007', cmdline: '0755' });
  t.strictSame(vm?.ready, { type: 'exec', argv: ['sleep', '1.50', '3', 'true', 'null', '~'], timeoutMs: 120_000 });
  t.equal(vm?.env.get('A')?.value, '1.10');
  const merged = loadDocument([
    { path: 'a.yaml', text: withImage('vms: { web: { image: base, env: { A: 1.10, B: 0x1F } } }\n') },
    { path: 'b.yaml', text: 'vms: { web: { env: { B: 1.20 } } }\n' },
  ]);
  t.match(merged.ok && merged.value.root.vms?.['web']?.env, { A: '1.10', B: '1.20' });
});

t.test('through references, defaults, variable files, flags and outputs', async (t) => {
  const text = withImage(`variables:
  plain: { default: 1.10 }
  number: { type: number, default: 1.10 }
  switch: { type: boolean, default: True }
  list: { type: list, default: [1.10, 0755, 3] }
  flag: { type: integer }
  file: { type: number }
  word: {}
vms:
  web:
    image: base
    cpus: "\${var.flag}"
    ready: { exec: [sleep, "\${var.number}"] }
    env:
      A: "\${var.plain}"
      B: "\${var.number}"
      C: "\${var.switch}"
      D: "\${join(',', var.list)}"
      E: "\${var.flag}/\${var.file}/\${var.word}"
      F: "\${default(var.list[9], 1.10)}"
outputs: { one: 1.10, two: 2, three: "\${var.number}", four: [1.0, true] }
`);
  const inputs = {
    variables: {
      flags: { flag: '0x2' },
      files: [{ path: 'more.yaml', values: { file: spell(2.5, '2.50'), word: spell(7, '007') } }],
      environment: {},
    },
  };
  t.strictSame(envOf(text, inputs), {
    A: '1.10',
    B: '1.10',
    C: 'True',
    D: '1.10,0755,3',
    E: '0x2/2.50/007',
    F: '1.10',
  });
  const vm = vmsOf(text, inputs)['vm.web'];
  t.strictSame(vm?.cpus, { count: 2, max: 2 }, 'where a number is wanted it is one');
  t.match(vm?.ready, { argv: ['sleep', '1.10'] });
  const expanded = expandText(text, inputs);
  t.strictSame(expanded.ok && [...expanded.value.outputs].map(([name, { value }]) => [name, value]), [
    ['one', '1.10'],
    ['two', 2],
    ['three', '1.10'],
    ['four', ['1.0', true]],
  ]);
});

t.test('a number that cannot be held exactly is refused where a number is wanted', async (t) => {
  const cpus = (text: string) => problemsOf(withImage(`vms: { web: { image: base, cpus: ${text} } }\n`));
  t.strictSame(cpus('9007199254740993'), ['SBX1204 4:34']);
  t.strictSame(cpus('1.00000000000000000001'), ['SBX1204 4:34']);
  t.strictSame(cpus('2.0'), []);
  t.strictSame(cpus('0x2'), []);
  const variable = (value: string) =>
    problemsOf(withImage(`variables: { n: { type: number, default: ${value} } }\nvms: {}\n`));
  t.strictSame(variable('0.1'), []);
  t.strictSame(variable('1e3'), []);
  t.strictSame(variable('9007199254740993'), ['SBX1204 4:42']);
  const flag = (n: string) =>
    problemsOf(
      withImage('variables: { n: { type: number } }\nvms: { web: { image: base, env: { A: "${var.n}" } } }\n'),
      {
        variables: { flags: { n }, files: [], environment: {} },
      },
    );
  t.strictSame(flag('0.30000000000000000001'), ['SBX2002 4:14']);
  t.strictSame(flag('0.3'), []);
});

t.test('every number reads back: what is exact has the same digits', (t) => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(30), (value, zeros) => {
      const text = String(value);
      const longer = /[.e]/.test(text) ? text : `${text}.${'0'.repeat(zeros)}`;
      const spelled = spell(value, `${longer} `.trim());
      return !isSpelled(spelled) || isExact(spelled);
    }),
  );
  t.end();
});
