// The end of scripts/test: reads the TAP files of a run, tells what failed and how, lists what was skipped and why, prints the
// totals as the last line and exits with the code given first (the runner's), or 1 when a file has no totals or something failed.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Parser } from 'tap-parser';

/** What a machine without a usable KVM may skip; everything else must run in CI. */
const skippableInCi = /\bKVM\b|\/dev\/kvm|there is no cloud-hypervisor on PATH/;

/** How much of one failure is told here; the TAP file has the rest. */
const linesOfFailure = 40;
const failuresTold = 20;

/** Totals of one TAP file, from the last line of them; undefined when the runner did not get that far. */
function totalsOf(text) {
  const line = text.match(/^# \{ total: .*\}$/gm)?.at(-1);
  if (line === undefined) return undefined;
  const count = (word) => Number(line.match(new RegExp(`\\b${word}: (\\d+)`))?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip'), todo: count('todo') };
}

/** The tests that failed and those that were skipped, in the order of the run: results of the parser, without their parents. */
function pickedFrom(text) {
  const failures = [];
  const skips = [];
  const parser = new Parser();
  parser.on('result', (result) => {
    if (result.skip) skips.push(result);
    else if (!result.ok && !result.todo) failures.push(result);
  });
  parser.end(text);
  return { failures, skips };
}

/** Where a result stands: the file, then the names of the tests around it. */
const placeOf = (result) => result.fullname.split(' > ');

/** A detail of a failure as people read it. */
function shown(key, value) {
  if (key === 'at') return `${value.fileName}:${value.lineNumber}`;
  return typeof value === 'string' ? value.trimEnd() : JSON.stringify(value);
}

/** One failure: where it is, then what is known of it, without the source text around it. */
function failureLines(part, result) {
  const details = Object.entries(result.diag ?? {}).filter(([key]) => key !== 'source');
  const lines = details.flatMap(([key, value]) => {
    const text = shown(key, value);
    return text.includes('\n') ? [`${key}:`, ...text.split('\n').map((line) => `  ${line}`)] : [`${key}: ${text}`];
  });
  const more = lines.length - linesOfFailure;
  return [
    `  ${part}: ${placeOf(result).join(' > ')}`,
    ...lines.slice(0, linesOfFailure).map((line) => `      ${line}`),
    ...(more > 0 ? [`      … ${more} more lines in the TAP file`] : []),
  ];
}

const reasonOf = ({ skip }) => (typeof skip === 'string' ? skip.replace(/ ?# time=\S+$/, '') : '');

/** One line per file and reason. */
function skipLines(part, skips) {
  const groups = new Map();
  for (const skip of skips) {
    const key = `${placeOf(skip)[0]}: ${reasonOf(skip) || 'no reason given'}`;
    groups.set(key, [...(groups.get(key) ?? []), skip.name]);
  }
  return [...groups].map(
    ([key, names]) => `  ${part}: ${key} (${names.length === 1 ? names[0] : `${names.length} tests`})`,
  );
}

const [code, ...files] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
const failed = [];
const skipped = [];
let status = Number(code);
let complete = files.length > 0;

for (const path of files) {
  const text = readFileSync(path, 'utf8');
  const part = basename(path, '.tap');
  const { failures, skips } = pickedFrom(text);
  failed.push(...failures.map((result) => failureLines(part, result)));
  skipped.push(...skipLines(part, skips));
  const unexpected = process.env.CI ? skips.filter((skip) => !skippableInCi.test(reasonOf(skip))) : [];
  skipped.push(...unexpected.map((skip) => `  not expected in CI: ${skip.fullname}: ${reasonOf(skip)}`));
  const totals = totalsOf(text);
  if (totals === undefined) {
    console.error(`${path} has no totals: the runner did not finish.`);
    complete = false;
    continue;
  }
  for (const word of Object.keys(sum)) sum[word] += totals[word];
}

console.log(skipped.length === 0 ? 'Nothing was skipped.' : ['Skipped:', ...skipped].join('\n'));
if (failed.length > 0) {
  const more = failed.length - failuresTold;
  console.log(['Failed:', ...failed.slice(0, failuresTold).flat()].join('\n'));
  if (more > 0) console.log(`  … and ${more} more, in the TAP files`);
}
if (sum.failed > 0 && status === 0) status = 1;
if (!complete) {
  process.exitCode = status || 1;
} else {
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exitCode = status;
}
