// A sensitive value stands in no diagnostic, whatever is wrong with the file around it: neither in words nor in the line that
// is shown, as text or as JSON.
import fc from 'fast-check';
import t from 'tap';
import { expand } from '../../src/core/expand/index.ts';
import { loadDocument, parseYamlMap } from '../../src/core/load/index.ts';
import { renderDiagnostics } from '../../src/core/render/diagnostics.ts';
import { plainInputs } from '../support/expanding.ts';

t.setTimeout(300_000);
const secret = 'Hunter2xyz';

/** Ways to make something of a sensitive variable, a good part of them wrong. */
const uses = [
  '${var.token}',
  'x-${var.token}',
  '${join(",", var.token)}',
  '${join(var.token, var.list)}',
  '${join(",", var.list)}',
  '${json(var.list)}',
  'a ${var.list}',
  '${var.list[0]}',
  '${var.list[9]}',
  '${var.token.x}',
  '${default(var.list[9], var.token)}',
  '${default(var.token, 1)}',
  '${file.read(var.token)}',
  '${file.sha256(json(var.token))}',
  '${json(json(var.token))}',
  '${vm.web.hostname}',
  '${join(",", vm.many.hostname)}',
  '${vm.web[var.token]}',
  '${var.token',
  '${nope(var.token)}',
];
const places: readonly ((use: string) => string)[] = [
  (use) => `expires: ${use}`,
  (use) => `images: { base: { build: ${use} } }`,
  (use) => `images: { base: { kernel: ${use}, disk: ${use} } }`,
  (use) => `volumes: { v: { size: ${use}, protect: ${use} } }`,
  (use) => `networks: { lan: { subnet: ${use}, mode: ${use} } }`,
  (use) => `templates: { t: { image: ${use}, cpus: ${use} } }`,
  (use) => `outputs: { o: ${use}, l: [${use}], m: { a: ${use} } }`,
  (use) => `vms: { web: { image: base, hostname: ${use} }, many: { image: base, count: 2, hostname: ${use} } }`,
  (use) => `vms: { web: { image: ${use}, template: ${use} } }`,
  (use) => `vms: { web: { image: base, count: ${use} } }`,
  (use) => `vms: { web: { image: base, for_each: ${use} } }`,
  (use) => `vms: { web: { image: base, for_each: [${use}], env: { A: ${use} } } }`,
  (use) => `vms: { web: { image: base, cpus: { count: ${use}, max: ${use} }, memory: { size: ${use} } } }`,
  (use) => `vms: { web: { image: base, disks: { d: { size: ${use}, volume: ${use}, readonly: ${use} } } } }`,
  (use) => `vms: { web: { image: base, networks: { lan: { address: ${use}, ports: [${use}] } } } }`,
  (use) => `vms: { web: { image: base, networks: { lan: { ports: ${use} } } } }`,
  (use) => `vms: { web: { image: base, ready: { exec: [${use}], timeout: ${use}, tcp: ${use}, http: ${use} } } }`,
  (use) => `vms: { web: { image: base, depends_on: { db: ${use} } }, db: { image: base } }`,
  (use) => `vms: { web: { image: base, depends_on: [${use}], lifecycle: { ignore_changes: [${use}] } } }`,
  (use) => `vms: { web: { image: base, state: ${use}, on_exit: ${use}, cmdline: ${use} } }`,
  (use) => `vms: { web: { image: base, env: { A: ${use}, B: "\${vm.web.hostname}" } } }`,
];

/** Declarations of `token` and `list`, sound and not: what stands in them is as secret as what is given. */
const declarations: readonly string[] = [
  `token: { sensitive: true }\n  list: { type: list, sensitive: true }`,
  `token: { sensitive: true, default: ${secret} }\n  list: { type: list, sensitive: true, default: [${secret}, "${secret}"] }`,
  `token: { type: integer, sensitive: true, default: ${secret} }\n  list: { type: list, sensitive: true, default: ${secret} }`,
  `token: { sensitive: true, enum: [${secret}, b], pattern: "[0-9]+" }\n  list: { sensitive: true, type: list, enum: [${secret}] }`,
  `token: { sensitive: true, minimum: 5, type: number, default: ${secret}, ${secret}: 1 }\n  list: { type: list, sensitive: true }`,
  `token: { sensitve: true, default: ${secret} }\n  list: ${secret}`,
  `token: { sensitive: ${secret} }\n  list: { sensitive: "true", default: [${secret}] }`,
  `token: { sensitive: true, default: *${secret} }\n  list: { type: list, sensitive: true }`,
  `token: { sensitive: true, default: !${secret} }\n  list: { type: list, sensitive: true }`,
  `token: { sensitive: true, default: "${secret} }\n  list: { type: list, sensitive: true }`,
  `token:\n    sensitive: true\n    default: |\n      ${secret}\n       ${secret}\n    x: 1\n  list: { type: list, sensitive: true }`,
  `token: { sensitive: true, default: { ${secret}: ${secret} } }\n  list: { type: list, sensitive: true, default: [[${secret}]] }`,
];

const given = fc.constantFrom<readonly unknown[]>(
  [secret, `${secret},b`],
  [`\0${secret}`, [secret, { [secret]: secret }]],
  [[secret], secret],
  [{ [secret]: 1 }, [secret, secret]],
  [undefined, undefined],
);

const file = fc.record({
  declaration: fc.constantFrom(...declarations),
  use: fc.constantFrom(...uses),
  places: fc.uniqueArray(fc.constantFrom(...places), { minLength: 1, maxLength: 4 }),
  quoted: fc.boolean(),
  given,
  from: fc.constantFrom('flags', 'files', 'environment'),
  unknown: fc.boolean(),
  tail: fc.constantFrom('', 'nope: 1\n', 'nope: { a: 1, b: [ }\n', 'vms: { a: { image: base } }\n'),
});

type File = typeof file extends fc.Arbitrary<infer F> ? F : never;

function textOf({ declaration, use, places: chosen, quoted, tail }: File): string {
  const value = quoted ? JSON.stringify(use) : `'${use}'`;
  const tops = new Map(chosen.map((place) => [place('').split(':')[0], place(value)]));
  const images = tops.has('images') ? '' : 'images: { base: { build: tiny } }\n';
  return `version: 1\nname: shop\n${images}variables:\n  ${declaration}\n${[...tops.values()].join('\n')}\n${tail}`;
}

function variablesOf({ given: [token, list], from }: File): typeof plainInputs.variables {
  const values = Object.fromEntries(Object.entries({ token, list }).filter(([, value]) => value !== undefined));
  const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  if (from === 'files') return { flags: {}, files: [{ path: 'vars.yaml', values }], environment: {} };
  return from === 'flags' ? { flags: texts, files: [], environment: {} } : { flags: {}, files: [], environment: texts };
}

function told(file: File): string {
  const loaded = loadDocument([{ path: 'sbx.yaml', text: textOf(file) }]);
  const found = loaded.ok
    ? expand(loaded.value, { ...plainInputs, variables: variablesOf(file), unknownVariables: file.unknown })
    : loaded;
  const diagnostics = found.ok ? found.warnings : found.diagnostics;
  return `${JSON.stringify(diagnostics)}\n${renderDiagnostics(diagnostics, { color: false, cwd: '/' })}`;
}

t.test('no diagnostic of a file tells a sensitive value', (t) => {
  fc.assert(
    fc.property(file, (file) => !told(file).toLowerCase().includes(secret.toLowerCase())),
    { numRuns: 1000 },
  );
  t.end();
});

t.test('every use in every place, with a value that is there', (t) => {
  for (const use of uses)
    for (const place of places)
      for (const declaration of declarations.slice(0, 4)) {
        const file: File = {
          declaration,
          use,
          places: [place],
          quoted: true,
          given: [secret, secret],
          from: 'flags',
          unknown: false,
          tail: '',
        };
        const words = told(file);
        if (words.includes(secret)) t.fail(`${place(use)} tells it: ${words}`);
      }
  t.pass('no one tells it');
  t.end();
});

t.test('a line of a variable file is never shown, whatever is wrong with it', (t) => {
  const lines = [
    `token: *${secret}`,
    `token: !${secret}`,
    `token: "${secret}`,
    `token: [${secret}`,
    `{ token: ${secret}, 1: 2 }`,
    `token: ${secret}\n\tother: 1`,
    `token: ${secret}\ntoken: ${secret}`,
    `? [${secret}]\n: 1`,
    `&${secret} *${secret}`,
    `%${secret}`,
    `- ${secret}`,
    `token: ${secret}: ${secret}`,
    `token: { a: \${${secret}} }`,
    secret,
  ];
  for (const text of lines) {
    const parsed = parseYamlMap({ path: 'vars.yaml', text, secret: 'all' });
    t.notMatch(parsed.ok ? '' : JSON.stringify(parsed.diagnostics), secret, text);
  }
  t.end();
});
