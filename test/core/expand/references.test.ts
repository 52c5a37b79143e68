import fc from 'fast-check';
import t from 'tap';
import { diagnostic } from '../../../src/core/diagnostic.ts';
import { parseText } from '../../../src/core/expand/text.ts';
import { expandText, problemsOf, withImage } from '../../support/expanding.ts';

const base = `variables: { word: { default: hi }, zones: { type: list, default: [a, b] } }
networks: { lan: { subnet: 10.70.0.0/24 } }
volumes: { pg: { size: 10GiB } }
templates: { small: { image: base } }
vms:
  db: { template: small, hostname: data, memory: { size: 128MiB, max: 1GiB }, networks: { lan: { address: 10.70.0.20, ports: ["8080:80"] } } }
  web: { template: small, count: 2, networks: { lan: {} } }
  job: { template: small, for_each: [x, y], networks: { lan: {} } }
`;
const outputOf = (text: string, files = new Map()) => {
  const found = expandText(withImage(`${base}outputs: { o: ${JSON.stringify(text)} }\n`), { files });
  return found.ok
    ? found.value.outputs.get('o')?.value
    : found.diagnostics.map(({ code, detail }) => `${code} ${detail}`);
};

t.test('references give values', async (t) => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['plain', 'plain'],
    ['${var.word}', 'hi'],
    ['a-${ var.word }-b', 'a-hi-b'],
    ['$${var.word}', '${var.word}'],
    ['$$', '$$'],
    ['cost: 5$', 'cost: 5$'],
    ['${vm.db.networks.lan.address}', '10.70.0.20'],
    ['${vm.db.networks.lan.gateway}', '10.70.0.1'],
    ['${vm.db.networks.lan.prefix}', 24],
    ['${vm.db.networks.lan.ports.80}', 8080],
    ['${vm.db.hostname}', 'data'],
    ['${vm.db.memory.max}', '1GiB'],
    ['${vm.db.cpus.count}', 1],
    ['${vm.web.0.networks.lan.address}', '10.70.0.10'],
    ['${vm.web[1].networks.lan.address}', '10.70.0.11'],
    ['${vm.job["x"].hostname}', 'job-x'],
    ['${vm.job.y.hostname}', 'job-y'],
    ['${vm.web.hostname}', ['web-0', 'web-1']],
    ['${join(",", vm.web.networks.lan.address)}', '10.70.0.10,10.70.0.11'],
    ['${network.lan.subnet}', '10.70.0.0/24'],
    ['${network.lan.gateway}', '10.70.0.1'],
    ['${volume.pg.size}', '10GiB'],
    ['${image.base.build}', 'tiny'],
    ['${var.zones.1}', 'b'],
    ['${default(var.zones.7, "none")}', 'none'],
    ['${default(var.zones.0, "none")}', 'a'],
    ['${json(var.zones)}', '["a","b"]'],
    ['${file.read("a.txt")}!', 'hello!'],
    ["${file.sha256('a.txt')}", 'abc'],
    ['${default(file.read("gone"), "none")}', 'none'],
  ];
  const files = new Map<string, unknown>([
    ['a.txt', { sha256: 'abc', text: 'hello' }],
    ['gone', diagnostic('SBX1001', { detail: 'gone: there is no such file.' })],
  ]);
  for (const [text, want] of cases) t.strictSame(outputOf(text, files), want, text);
});

t.test('what is wrong with a reference is said', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['${var.wrod}', /^SBX2104 "var\.wrod" is not declared/],
    ['${vm.dbb.hostname}', /^SBX2104/],
    ['${vm.db.hostnam}', /^SBX2104/],
    ['${vm.db.networks.wan.address}', /^SBX2104/],
    ['${vm.db.networks.lan.ports.81}', /^SBX2104/],
    ['${vm.web.7.hostname}', /^SBX2104/],
    ['${network.lann.subnet}', /^SBX2104/],
    ['${env.HOME}', /^SBX2104/],
    ['${constructor.name}', /^SBX2104/],
    ['${var.__proto__}', /^SBX2104/],
    ['${each.key}', /^SBX2102/],
    ['${count.index}', /^SBX2102/],
    ['${var.word', /^SBX2101/],
    ['${}', /^SBX2101/],
    ['${var.word + 1}', /^SBX2101/],
    ['${join(var.zones)}', /^SBX2101/],
    ['${exec("rm")}', /^SBX2104/],
    ['${file.read(var.word)}', /^SBX2106/],
    ['a ${var.zones}', /^SBX2106/],
    [`\${${'json('.repeat(20)}1${')'.repeat(20)}}`, /^SBX2101/],
  ];
  for (const [text, want] of cases) t.match(outputOf(text), [want], text);
});

t.test('a circle is shown once, with its way', async (t) => {
  const found = expandText(
    withImage(`vms:
  a: { image: base, hostname: "\${vm.b.hostname}" }
  b: { image: base, hostname: "\${vm.c.hostname}" }
  c: { image: base, hostname: "\${vm.a.hostname}" }
  d: { image: base, hostname: "x\${vm.a.hostname}" }
`),
  );
  t.notOk(found.ok);
  if (!found.ok) {
    const [circle, ...rest] = found.diagnostics;
    t.match(circle, {
      code: 'SBX2105',
      detail: 'This value depends on itself: vm.b.hostname → vm.c.hostname → vm.a.hostname → vm.b.hostname.',
    });
    t.strictSame(rest, []);
  }
});

t.test('a problem inside a VM is not repeated by those who refer to it', async (t) => {
  const text = withImage(`vms:
  a: { image: base, hostname: "\${var.gone}" }
  b: { image: base, hostname: "\${vm.a.hostname}" }
`);
  t.strictSame(problemsOf(text), ['SBX2104 5:31']);
});

t.test('text that doubles with every reference is stopped', async (t) => {
  const line = (at: number) =>
    `  v${at}: { image: base, hostname: "\${vm.v${at - 1}.hostname}\${vm.v${at - 1}.hostname}" }\n`;
  const lines = Array.from({ length: 60 }, (_, at) => line(at + 1)).join('');
  const start = process.cpuUsage();
  const problems = problemsOf(withImage(`vms:\n  v0: { image: base, hostname: aaaaaaaa }\n${lines}`));
  t.ok(problems.length > 0);
  t.ok(process.cpuUsage(start).user < 5_000_000);
});

t.test('a chain of thousands of references does not overflow', async (t) => {
  const line = (at: number) => `  v${at}: { image: base, hostname: "\${vm.v${at + 1}.hostname}" }\n`;
  const lines = Array.from({ length: 3000 }, (_, at) => line(at)).join('');
  const problems = problemsOf(withImage(`vms:\n${lines}  v3000: { image: base }\n`));
  t.match(problems[0], /^SBX2105/);
});

t.test('a list of all joined in every VM is stopped by its size', async (t) => {
  const text = withImage(`networks: { lan: { subnet: 10.64.0.0/12 } }
vms:
  web: { image: base, count: 9000, networks: { lan: {} }, env: { ALL: "\${join(\\",\\", vm.web.networks.lan.address)}" } }
`);
  const start = process.cpuUsage();
  t.match(problemsOf(text)[0], /^SBX2103/);
  t.ok(process.cpuUsage(start).user < 10_000_000);
});

t.test('texts that are each short enough are stopped when all of them together are not', async (t) => {
  const files = new Map([['seed', { sha256: 'abc', text: 'x'.repeat(60_000) }]]);
  const text = (count: number) =>
    withImage(`vms: { web: { image: base, count: ${count}, env: { SEED: "\${file.read('seed')}" } } }\n`);
  t.strictSame(problemsOf(text(100), { files }), []);
  t.match(problemsOf(text(1000), { files }), [/^SBX2103/]);
});

t.test('no text makes the parser of references throw or hang', async (t) => {
  const pieces = fc.constantFrom(
    '${',
    '}',
    '$$',
    'var.',
    'a',
    '(',
    ')',
    '[',
    ']',
    '"',
    "'",
    ',',
    '.',
    ' ',
    '0',
    '-',
    'file.read',
    '\n',
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 80 }), (list) => {
        const parsed = parseText(list.join(''));
        return parsed.ok ? parsed.parts.length > 0 : parsed.detail !== '';
      }),
      { numRuns: 2000 },
    ),
  );
});

t.test('text without a dollar sign stays as it is', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('${')),
        (text) => {
          const parsed = parseText(text);
          return parsed.ok && parsed.parts.length === 1 && parsed.parts[0] === text;
        },
      ),
    ),
  );
});
