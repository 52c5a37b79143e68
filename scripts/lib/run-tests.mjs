// run-tests.mjs JOBS SECONDS OUT FILE…: runs compiled tests, so many at a time, each in a process of its own, and writes one TAP
// file in which every test file is a subtest. Tells each file's time and what it printed on standard error when it failed.
// A file fails when a test of it does, when it ends with a code, a signal or too late, and when it holds no test at all.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Parser } from 'tap-parser';

const [jobs, seconds, out, ...files] = process.argv.slice(2);
const limitMs = Number(seconds) * 1000;
const totals = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 };
const results = new Map();

/** Files whose tests wait long are begun first, so that no core waits for them at the end. */
const longFirst = (file) => (/^test\/(property|faults|contract)\//.test(file) ? 0 : 1);

/** Process groups of what runs, to be ended with this process. */
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => {
    for (const pid of running) endGroup(pid);
    process.exit(1);
  });

const queue = [...files].sort((a, b) => longFirst(a) - longFirst(b) || (a < b ? -1 : 1));
const work = async () => {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) results.set(file, await run(file));
};
await Promise.all(Array.from({ length: Number(jobs) }, work));
writeFileSync(out, document());
process.exitCode = [...results.values()].every(({ ok }) => ok) ? 0 : 1;

/** Runs one file to its end and tells how it went. */
async function run(file) {
  const started = performance.now();
  const compiled = join('.tap/compiled', file.replace(/\.tsx?$/, '.mjs'));
  const child = spawn(process.execPath, ['--enable-source-maps', compiled], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: seconds, TAP_CHILD_ID: String(files.indexOf(file)) },
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  const [stdout, stderr, [code, signal]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    ended(child),
  ]);
  clearTimeout(timer);
  const elapsedMs = performance.now() - started;
  const { counts, ok } = await parsed(stdout);
  for (const word of Object.keys(totals)) totals[word] += counts[word];
  const problem = late
    ? `it took longer than ${seconds} s`
    : counts.total === 0
      ? 'it holds no test'
      : signal !== null
        ? `it was ended by ${signal}`
        : code !== 0 && ok
          ? `it ended with code ${code} although no test failed`
          : undefined;
  const fine = problem === undefined && ok && code === 0;
  if (problem !== undefined) totals.fail += 1;
  tell(file, { counts, elapsedMs, fine, problem, stderr });
  return { ok: fine, stdout, stderr, elapsedMs, problem };
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Its group has ended by itself.
    if (error.code !== 'ESRCH') throw error;
  }
}

function textOf(stream) {
  stream.setEncoding('utf8');
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += chunk;
    });
    stream.on('close', () => resolve(text));
  });
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve([code, signal]));
  });
}

/** Counts the tests without those that only hold others. */
function parsed(text) {
  const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 };
  return new Promise((resolve) => {
    const parser = new Parser(({ ok }) => resolve({ counts, ok }));
    parser.on('result', (result) => {
      counts.total += 1;
      counts[result.skip ? 'skip' : result.todo ? 'todo' : result.ok ? 'pass' : 'fail'] += 1;
    });
    parser.end(text);
  });
}

function tell(file, { counts, elapsedMs, fine, problem, stderr }) {
  const seconds = (elapsedMs / 1000).toFixed(1).padStart(6);
  const failed = fine ? '' : `, ${counts.fail} FAILED${problem === undefined ? '' : `: ${problem}`}`;
  console.log(`${seconds} s  ${file}: ${counts.pass} passed${failed}`);
  if (!fine && stderr !== '') console.log(indented(stderr.trimEnd().split('\n').slice(-40).join('\n'), 10));
}

/** All files as one TAP document, in the order of their names, with the totals as tap writes them. */
function document() {
  const lines = ['TAP version 14'];
  [...results]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .forEach(([file, result], at) => {
      lines.push(`# Subtest: ${file}`, indented(bodyOf(result), 4));
      lines.push(`${result.ok ? 'ok' : 'not ok'} ${at + 1} - ${file} # time=${result.elapsedMs.toFixed(0)}ms`, '');
    });
  const counts = Object.entries(totals).map(([word, count]) => `${word}: ${count}`);
  return [...lines, `1..${results.size}`, `# { ${counts.join(', ')} }`, ''].join('\n');
}

/** What a file printed, and a failed test of its own where the file failed as a whole. */
function bodyOf({ stdout, stderr, problem }) {
  const body = stdout.replace(/^TAP version 14\n/, '').trimEnd();
  if (problem === undefined) return body;
  // The plan of a file that ended early is unknown, and one that is there does not count this test.
  const tests = body.split('\n').filter((line) => !/^1\.\.\d+/.test(line));
  const count = tests.filter((line) => /^(not )?ok\b/.test(line)).length + 1;
  const words = stderr
    .trimEnd()
    .split('\n')
    .slice(-40)
    .map((line) => `    ${line}`);
  return [...tests, `not ok ${count} - ${problem}`, '  ---', '  stderr: |-', ...words, '  ...', `1..${count}`].join(
    '\n',
  );
}

function indented(text, width) {
  const space = ' '.repeat(width);
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : space + line))
    .join('\n');
}
