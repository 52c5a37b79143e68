import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { loadDocument } from '../../../src/core/load/index.ts';
import { hostileTexts } from '../../support/hostile.ts';

const load = (...texts: string[]) =>
  loadDocument(texts.map((text, at) => ({ path: at === 0 ? 'sbx.yaml' : `more-${at}.yaml`, text })));
const problemsOf = (...texts: string[]) => {
  const loaded = load(...texts);
  return loaded.ok ? [] : loaded.diagnostics;
};

t.test('hostile input ends in a diagnostic within seconds', async (t) => {
  for (const { name, text, codes } of hostileTexts) {
    const written = text();
    const start = process.cpuUsage();
    const found = [...new Set(problemsOf(written).map(({ code }) => code))];
    const { user, system } = process.cpuUsage(start);
    // CPU time, since other tests may keep the machine busy
    t.ok(user + system < 8_000_000, `${name}: ${Math.round((user + system) / 1000)} ms`);
    if (codes.length === 0) t.strictSame(found, [], `${name} loads`);
    else t.ok(found.length > 0 && found.every((code) => codes.includes(code)), `${name}: ${found.join(', ')}`);
  }
  t.equal(({} as Record<string, unknown>)['polluted'], undefined, 'Object.prototype is as it was');
});

t.test('a file with many errors gives a hundred of them and says how many are left', async (t) => {
  const problems = problemsOf(`version: 1\nname: a\n${Array.from({ length: 250 }, (_, at) => `k${at}: 1\n`).join('')}`);
  t.equal(problems.length, 101);
  t.match(problems.at(-1), { code: 'SBX1206', detail: '150 more are not shown.' });
});

t.test('errors carry the place, the line and the nearest key', async (t) => {
  const cases = [
    {
      name: 'an unknown key',
      text: 'version: 1\nname: shop\nvms:\n  web:\n    imgae: base\n',
      want: {
        code: 'SBX1201',
        place: { file: 'sbx.yaml', line: 5, column: 5, endColumn: 10, source: '    imgae: base' },
      },
    },
    {
      name: 'a missing key stands at the map around it',
      text: 'version: 1\nname: shop\nvolumes:\n  pg: { protect: true }\n',
      want: { code: 'SBX1202', place: { line: 4, column: 3 } },
    },
    {
      name: 'CRLF counts as one line end',
      text: 'version: 1\r\nname: shop\r\nvmz: {}\r\n',
      want: {
        code: 'SBX1201',
        place: { line: 3, column: 1, endColumn: 4, source: 'vmz: {}' },
        hint: 'did you mean "vms"?',
      },
    },
    {
      name: 'a BOM does not move the column',
      text: '\ufeffverzion: 1\nversion: 1\nname: shop\n',
      want: { code: 'SBX1201', place: { line: 1, column: 1, source: 'verzion: 1' }, hint: 'did you mean "version"?' },
    },
    {
      name: 'a quoted value is underlined with its quotes',
      text: 'version: 1\nname: "Shop"\n',
      want: { code: 'SBX1204', place: { line: 2, column: 7, endColumn: 13 } },
    },
    {
      name: 'a value behind an alias stands where it is written',
      text: 'version: 1\nname: shop\nx-a: &a { image: 5 }\nvms:\n  web: *a\n',
      want: { code: 'SBX1203', place: { line: 3, column: 18 } },
    },
    {
      name: 'an empty value stands at its key',
      text: 'version: 1\nname: shop\nvms:\n  web:\n',
      want: { code: 'SBX1203', place: { line: 4, column: 3, endColumn: 6 }, hint: 'for an empty map write {}' },
    },
  ];
  for (const { name, text, want } of cases) t.match(problemsOf(text)[0], want, name);
});

t.test('an unquoted reference in a flow map says to quote it', async (t) => {
  const texts = [
    '{ count: ${var.x} }',
    '{ count: ${var.x}, image: a }',
    '{ count: 1, image: ${var.x} }',
    '{ env: [${var.x}] }',
  ];
  for (const text of texts) {
    const [first, ...rest] = problemsOf(`version: 1\nname: shop\nvms:\n  web: ${text}\n`);
    t.match(first, { code: 'SBX1103', hint: 'write "${var.x}", in quotes' }, text);
    t.equal(first?.place?.column, 8 + text.indexOf('$'), 'the caret is under the reference');
    t.strictSame(rest, []);
  }
  t.ok(load('version: 1\nname: shop\nvms:\n  web: { count: "${var.x}" }\n').ok, 'quoted it loads');
  t.ok(load('version: 1\nname: shop\nvms:\n  web:\n    count: ${var.x}\n').ok, 'in a block it loads');
});

t.test('later files win: maps merge, lists and values replace, null removes', async (t) => {
  const first = `version: 1
name: shop
vms:
  web: { image: a, cpus: 1, ready: { exec: [a, b] } }
  db: { image: a }
`;
  const loaded = load(
    first,
    'vms: { web: { cpus: 2, ready: { exec: [c] } }, db: null, none: null, job: { image: b, env: null } }\n',
  );
  t.ok(loaded.ok);
  if (loaded.ok)
    t.strictSame(loaded.value.root.vms, {
      web: { image: 'a', cpus: 2, ready: { exec: ['c'] } },
      job: { image: 'b' },
    });
});

t.test('an error in a merged file is shown in the file that the value came from', async (t) => {
  const problems = problemsOf(
    'version: 1\nname: shop\nvms:\n  web: { image: 7, cpus: 1 }\n',
    'vms:\n  web:\n    cpus: no\n',
  );
  t.match(problems, [
    { code: 'SBX1203', place: { file: 'sbx.yaml', line: 4 } },
    { code: 'SBX1204', place: { file: 'more-1.yaml', line: 3 } },
  ]);
});

t.test('problems of several files come together', async (t) => {
  const problems = problemsOf('a: [\n', 'b: {\n');
  t.strictSame(
    problems.map(({ place }) => place?.file),
    ['sbx.yaml', 'more-1.yaml'],
  );
});

t.test('no input makes the loader throw', async (t) => {
  const words = fc.constantFrom(
    'version: 1',
    'name: a',
    'vms:',
    '  web:',
    '    - ',
    '? ',
    ': ',
    '${',
    '}',
    '{',
    '[',
    ']',
    '&a ',
    '*a',
    '!!str ',
    '"',
    "'",
    '|',
    '>',
    '\t',
    '\r\n',
    '\n',
    '\ufeff',
    '%',
    '---',
    '...',
    '#',
    '<<',
    '__proto__: ',
    ', ',
    '0x',
    '1e9',
    '~',
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(words, { maxLength: 60 }).map((list) => list.join('')),
    fc.array(words, { maxLength: 60 }).map((list) => `version: 1\nname: a\nvms:\n  web: ${list.join(' ')}`),
    fc.json().map((json) => `version: 1\nname: a\nvms: ${json}`),
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(texts, fc.option(texts, { nil: undefined }), (one, other) => {
        const loaded = other === undefined ? load(one) : load(one, other);
        return loaded.ok || loaded.diagnostics.every(({ code, detail }) => code.startsWith('SBX1') && detail !== '');
      }),
      { numRuns: 400 },
    ),
  );
});

t.test('every example is valid', async (t) => {
  const examples = new URL('../../../examples/', import.meta.url);
  const folders = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  t.ok(folders.length > 0);
  for (const { name } of folders) {
    const text = readFileSync(new URL(`${name}/sbx.yaml`, examples), 'utf8');
    t.strictSame(problemsOf(text), [], name);
  }
});
