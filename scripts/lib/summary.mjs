// The end of scripts/test: reads the TAP files of a run, lists what was skipped and why, prints the totals as the
// last line and exits with the code given first (tap's), or 1 when a file has no totals or something failed.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What a machine without a usable KVM may skip; everything else must run in CI. */
const skippableInCi = /\bKVM\b|\/dev\/kvm|there is no cloud-hypervisor on PATH/;

/** Totals of one TAP file, from tap's own last line of them; undefined when tap did not get that far. */
function totalsOf(text) {
  const line = text.match(/^# \{ total: .*\}$/gm)?.at(-1);
  if (line === undefined) return undefined;
  const count = (word) => Number(line.match(new RegExp(`\\b${word}: (\\d+)`))?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip'), todo: count('todo') };
}

/** Skipped tests as `{ file, name, reason }`, in the order of the run. */
function skipsOf(text) {
  const skips = [];
  let file = '';
  for (const line of text.split('\n')) {
    file = line.match(/^# Subtest: (.*)$/)?.[1] ?? file;
    const [, name, reason] = line.match(/^\s*ok \d+(?: - (.*?))? # SKIP ?(.*)$/i) ?? [];
    if (reason !== undefined) skips.push({ file, name: name ?? '', reason: reason.replace(/ ?# time=\S+$/, '') });
  }
  return skips;
}

/** One line per file and reason. */
function skipLines(part, skips) {
  const groups = new Map();
  for (const { file, name, reason } of skips) {
    const key = `${file}: ${reason || 'no reason given'}`;
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups].map(
    ([key, names]) => `  ${part}: ${key} (${names.length === 1 ? names[0] : `${names.length} tests`})`,
  );
}

const [code, ...files] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
let status = Number(code);
let complete = files.length > 0;

for (const path of files) {
  const text = readFileSync(path, 'utf8');
  const totals = totalsOf(text);
  if (totals === undefined) {
    console.error(`${path} has no totals: tap did not finish.`);
    complete = false;
    continue;
  }
  for (const word of Object.keys(sum)) sum[word] += totals[word];
  const skips = skipsOf(text);
  lines.push(...skipLines(basename(path, '.tap'), skips));
  const unexpected = process.env.CI ? skips.filter(({ reason }) => !skippableInCi.test(reason)) : [];
  for (const { file, name, reason } of unexpected) lines.push(`  not expected in CI: ${file}: ${name}: ${reason}`);
}

console.log(lines.length === 0 ? 'Nothing was skipped.' : ['Skipped:', ...lines].join('\n'));
if (sum.failed > 0 && status === 0) status = 1;
if (!complete) {
  process.exitCode = status || 1;
} else {
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exitCode = status;
}
