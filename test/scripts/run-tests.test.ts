// The runner of compiled tests: what counts as a failed file, and what is told of it.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly tap: string;
}

/** Runs files that print what a test prints, at most so many seconds each. */
function run(t: Test, programs: Readonly<Record<string, string>>, seconds = 120): Run {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-run-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, '.tap/compiled/test'), { recursive: true });
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(folder, '.tap/compiled/test', `${name}.test.mjs`), text);
  const files = Object.keys(programs).map((name) => `test/${name}.test.ts`);
  const out = join(folder, 'out.tap');
  const { status, stdout } = spawnSync(
    process.execPath,
    [resolve('scripts/lib/run-tests.mjs'), '2', String(seconds), out, ...files],
    { cwd: folder, encoding: 'utf8' },
  );
  return { status, stdout, tap: readFileSync(out, 'utf8') };
}

const good = "console.log('TAP version 14\\nok 1 - works\\n1..1')";

t.test('files that pass are subtests of one document with its totals', async (t) => {
  const skip = "console.log('ok 1 - a # SKIP needs root\\nok 2 - b\\n1..2')";
  const { status, tap } = run(t, { good, skip });
  t.equal(status, 0);
  t.match(tap, /^TAP version 14\n# Subtest: test\/good.test.ts\n {4}ok 1 - works\n/);
  t.equal(tap.trimEnd().split('\n').at(-1), '# { total: 3, pass: 2, fail: 0, skip: 1, todo: 0 }');
});

const bad: readonly { name: string; program: string; said: string | RegExp }[] = [
  { name: 'a failed test', program: "console.log('not ok 1 - n\\n1..1'); process.exitCode = 1", said: 'not ok 1 - n' },
  { name: 'no test', program: '', said: 'it holds no test' },
  { name: 'an error before the first test', program: "throw new TypeError('odd')", said: /stderr: \|-[\s\S]*odd/ },
  { name: 'a code after good tests', program: `${good}; process.exitCode = 4`, said: 'it ended with code 4' },
  {
    name: 'a signal',
    program: `${good}; process.kill(process.pid, 'SIGKILL')`,
    said: /ended (by SIGKILL|with)|no test/,
  },
  { name: 'a plan that is not met', program: "console.log('ok 1 - a\\n1..2'); process.exitCode = 1", said: 'ok 1 - a' },
];

for (const { name, program, said } of bad) {
  t.test(`a file with ${name} fails the run, and the others are still run`, async (t) => {
    const { status, tap } = run(t, { bad: program, good });
    t.equal(status, 1);
    t.match(tap, said);
    t.match(tap, /^not ok \d - test\/bad.test.ts/m);
    t.match(tap, /^ok \d - test\/good.test.ts/m);
  });
}

t.test('a file that does not end is ended, and fails the run', async (t) => {
  const { status, tap } = run(t, { bad: `${good}; setInterval(() => {}, 1000)` }, 2);
  t.equal(status, 1);
  t.match(tap, 'it took longer than 2 s');
});

t.test('each file is told with its time and counts, and a failed one with its words', async (t) => {
  const { stdout } = run(t, { bad: "console.error('why'); console.log('not ok 1 - n\\n1..1'); process.exit(1)", good });
  t.match(stdout, /\d\.\d s {2}test\/good.test.ts: 1 passed\n/);
  t.match(stdout, /\d\.\d s {2}test\/bad.test.ts: 0 passed, 1 FAILED\n +why\n/);
});
