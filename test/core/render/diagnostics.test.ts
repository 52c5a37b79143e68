import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { diagnostic } from '../../../src/core/diagnostic.ts';
import { boundedDiagnostics, printable, renderDiagnostics } from '../../../src/core/render/diagnostics.ts';
import { expandText } from '../../support/expanding.ts';
import { matchesGolden } from '../../support/golden.ts';

const plain = { color: false };

t.test('a diagnostic has place, words, source line, caret and hint', async (t) => {
  const text = renderDiagnostics(
    [
      diagnostic('SBX2104', {
        detail: '"network.lann" is not declared in this sandbox.',
        place: {
          file: '/work/shop/sbx.yaml',
          line: 31,
          column: 17,
          endColumn: 21,
          source: '    networks: { lann: {} }',
        },
        hint: 'did you mean "lan"?',
      }),
    ],
    { color: false, cwd: '/work' },
  );
  t.equal(
    text,
    `shop/sbx.yaml:31:17: error SBX2104: Unknown reference
  "network.lann" is not declared in this sandbox.
   31 |     networks: { lann: {} }
      |                 ^^^^
  hint: did you mean "lan"?
`,
  );
});

t.test('diagnostics are in the order of files and lines, the ones without a place last', async (t) => {
  const at = (file: string, line: number, column: number) =>
    diagnostic('SBX1101', { detail: 'x', place: { file, line, column } });
  const text = renderDiagnostics(
    [diagnostic('SBX1002', { detail: 'y' }), at('b', 1, 1), at('a', 10, 1), at('a', 9, 5), at('a', 9, 2)],
    plain,
  );
  t.strictSame(text.match(/^\S+/gm), ['a:9:2:', 'a:9:5:', 'a:10:1:', 'b:1:1:', 'error']);
  t.equal(renderDiagnostics([], plain), '');
});

t.test('nothing from outside steers the terminal', async (t) => {
  const evil = '\u001b[2J\u0007a\u202eb\u200b\u009bc';
  const text = renderDiagnostics(
    [diagnostic('SBX1101', { detail: evil, hint: evil, place: { file: evil, line: 1, column: 2, source: evil } })],
    plain,
  );
  t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u202e]/);
  t.equal(printable(evil), '[2Jabc');
  t.equal(printable('a\r\nb\rc'), 'a\nb\nc');
});

t.test('a long line is cut around the caret', async (t) => {
  const source = `${'a'.repeat(1000)}bad${'z'.repeat(1000)}`;
  const [, , shown = '', caret = ''] = renderDiagnostics(
    [diagnostic('SBX1101', { detail: 'x', place: { file: 'f', line: 1, column: 1001, endColumn: 1004, source } })],
    plain,
  ).split('\n');
  t.ok(shown.length < 130);
  t.equal(shown.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1), 'bad');
});

t.test('a tab keeps the caret in its column', async (t) => {
  const place = { file: 'f', line: 1, column: 3, source: '\t\tx' };
  t.match(renderDiagnostics([diagnostic('SBX1101', { detail: 'x', place })], plain), '    1 |   x\n      |   ^\n');
});

t.test('colours are only there when asked for', async (t) => {
  const found = [diagnostic('SBX1101', { detail: 'x' })];
  t.match(renderDiagnostics(found, { color: true }), '\u001b[1;31merror SBX1101\u001b[0m: ');
  t.notMatch(renderDiagnostics(found, plain), '\u001b');
});

t.test('real files with errors read as they were reviewed', async (t) => {
  const folder = new URL('../../golden/diagnostics/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  t.ok(names.length >= 4);
  for (const name of names) {
    const found = expandText(readFileSync(new URL(name, folder), 'utf8'));
    const text = renderDiagnostics(found.ok ? found.warnings : found.diagnostics, plain);
    matchesGolden(t, `diagnostics/${name.replace('.yaml', '.txt')}`, text);
  }
});

t.test('of very many diagnostics the first are kept, errors before warnings, and the rest is counted', async (t) => {
  const many = (code: 'SBX1101' | 'SBX2601', count: number) =>
    Array.from({ length: count }, (_, at) => diagnostic(code, { detail: `${at}` }));
  t.equal(boundedDiagnostics(many('SBX1101', 300)).length, 300);
  const bounded = boundedDiagnostics([...many('SBX2601', 200), ...many('SBX1101', 200)]);
  t.equal(bounded.length, 301);
  t.equal(bounded[0]?.severity, 'error');
  t.match(bounded.at(-1), { severity: 'warning', code: 'SBX1206', detail: '100 more are not shown.' });
  t.match(boundedDiagnostics(many('SBX1101', 1000)).at(-1), { severity: 'error', detail: '700 more are not shown.' });
});
