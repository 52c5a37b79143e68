import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const folder = mkdtempSync(join(tmpdir(), 'sbx-summary-'));
t.teardown(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly status: number | null;
  readonly lines: readonly string[];
}

function summarize(files: Readonly<Record<string, string>>, options: { code?: number; ci?: boolean } = {}): Run {
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  });
  const run = spawnSync(process.execPath, ['scripts/lib/summary.mjs', String(options.code ?? 0), ...paths], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...(options.ci ? { CI: 'true' } : {}) },
  });
  return { status: run.status, lines: run.stdout.trimEnd().split('\n') };
}

const passing =
  'TAP version 14\n# Subtest: test/a.test.ts\n    ok 1 - x\n    1..1\nok 1 - test/a.test.ts\n1..1\n# { total: 7, pass: 7, fail: 0 }\n';
const skipping = [
  '# Subtest: test/b.test.ts',
  '    # Subtest: outer',
  '        ok 1 - boots # SKIP no usable /dev/kvm # time=1.5ms',
  '        1..1',
  '    ok 1 - outer',
  '    ok 2 - links # SKIP needs root',
  '    ok 3 - real # SKIP not run: there is no cloud-hypervisor on PATH',
  '    1..3',
  'ok 1 - test/b.test.ts',
  '1..1',
  '# { total: 4, pass: 1, fail: 0, skip: 3 }',
  '',
].join('\n');

t.test('the last line adds up the totals of all files', async (t) => {
  const { status, lines } = summarize({ 'a.tap': passing, 'b.tap': skipping });
  t.equal(lines.at(-1), '8 passed, 0 failed, 3 skipped');
  t.equal(status, 0);
});

t.test('each skipped group is listed with its file and reason, before the last line', async (t) => {
  const { lines } = summarize({ 'b.tap': skipping });
  t.strictSame(lines, [
    'Skipped:',
    '  b: test/b.test.ts: no usable /dev/kvm (boots)',
    '  b: test/b.test.ts: needs root (links)',
    '  b: test/b.test.ts: not run: there is no cloud-hypervisor on PATH (real)',
    '1 passed, 0 failed, 3 skipped',
  ]);
});

t.test('in CI, a skip that has nothing to do with KVM or the real VMM is pointed out', async (t) => {
  const { lines } = summarize({ 'b.tap': skipping }, { ci: true });
  t.ok(lines.includes('  not expected in CI: test/b.test.ts > links: needs root'));
  t.notOk(lines.some((line) => line.startsWith('  not expected') && /(boots|real):/.test(line)));
});

const failing = [
  'TAP version 14',
  '# Subtest: test/c.test.ts',
  '    # Subtest: outer',
  '        # Subtest: inner',
  '            ok 1 - this holds',
  '            not ok 2 - numbers',
  '              ---',
  '              at:',
  '                fileName: test/c.test.ts',
  '                lineNumber: 3',
  '              source: |',
  '                t.equal(1, 2);',
  '              diff: |',
  '                -2',
  '                +1',
  '              ...',
  '            1..2',
  '        not ok 1 - inner',
  '        1..1',
  '    not ok 1 - outer',
  '    1..1',
  'not ok 1 - test/c.test.ts',
  '1..1',
  '# { total: 2, pass: 1, fail: 1 }',
  '',
].join('\n');

t.test('what failed is told with its place and the difference, once, right before the last line', async (t) => {
  t.strictSame(summarize({ 'c.tap': failing }, { code: 1 }).lines, [
    'Nothing was skipped.',
    'Failed:',
    '  c: test/c.test.ts > outer > inner > numbers',
    '      at: test/c.test.ts:3',
    '      diff:',
    '        -2',
    '        +1',
    '1 passed, 1 failed, 0 skipped',
  ]);
});

t.test('a test file that ends badly after good tests is told, too', async (t) => {
  const tap = passing.replace('ok 1 - test/a.test.ts', 'not ok 1 - test/a.test.ts\n  ---\n  exitCode: 3\n  ...');
  const { lines } = summarize({ 'd.tap': tap }, { code: 1 });
  t.strictSame(lines.slice(1, 4), ['Failed:', '  d: test/a.test.ts', '      exitCode: 3']);
});

t.test('very much of a failure, and very many of them, are cut with a word about the rest', async (t) => {
  const points = Array.from(
    { length: 25 },
    (_, i) => `not ok ${i + 1} - n${i}\n  ---\n  diff: |\n${'    x\n'.repeat(60)}  ...\n`,
  ).join('');
  const { lines } = summarize({ 'm.tap': `TAP version 14\n${points}1..25\n# { total: 25, pass: 0, fail: 25 }\n` });
  t.equal(lines.filter((line) => line === '      … 21 more lines in the TAP file').length, 20);
  t.equal(lines.at(-2), '  … and 5 more, in the TAP files');
});

t.test("the runner's exit code is kept, with the totals", async (t) => {
  const { status, lines } = summarize({ 'a.tap': passing }, { code: 3 });
  t.equal(status, 3);
  t.equal(lines.at(-1), '7 passed, 0 failed, 0 skipped');
});

t.test('a failure ends with 1 even when the runner ended with 0', async (t) => {
  const { status, lines } = summarize({ 'c.tap': '# { total: 2, pass: 1, fail: 1 }\n' });
  t.equal(status, 1);
  t.equal(lines.at(-1), '1 passed, 1 failed, 0 skipped');
});

t.test('a file without totals fails the run, and no totals are claimed', async (t) => {
  const { status, lines } = summarize({ 'a.tap': passing, 'd.tap': 'TAP version 14\nok 1 - x\n' });
  t.equal(status, 1);
  t.notOk(lines.some((line) => /passed/.test(line)));
});

t.test('only the last totals of a file count, since a test may print some', async (t) => {
  const { lines } = summarize({ 'e.tap': `# { total: 9, pass: 9, fail: 0 }\n${passing}` });
  t.equal(lines.at(-1), '7 passed, 0 failed, 0 skipped');
});

t.test('no file at all is a failure', async (t) => {
  t.equal(summarize({}).status, 1);
});
