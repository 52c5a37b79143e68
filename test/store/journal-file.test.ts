import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import { parseJournal } from '../../src/core/state/journal-text.ts';
import { type SandboxLayout, statesDir } from '../../src/store/home.ts';
import { openJournal } from '../../src/store/journal-file.ts';
import { bundledProgram, startProgram, straceProblem, traced } from '../support/bundled-program.ts';
import { beginVolume, headerFor, layoutOf, temporaryHome } from '../support/temp-home.ts';

const noStrace = straceProblem();
const soak = process.env['SBX_SOAK'] === '1';

function readyLayout(t: Test): SandboxLayout {
  const home = temporaryHome(t);
  mkdirSync(statesDir(home), { recursive: true });
  return layoutOf(home);
}

function recordsOf(layout: SandboxLayout): readonly JournalRecord[] {
  const parsed = parseJournal(readFileSync(layout.journalPath, 'utf8'), layout.journalPath);
  if (!parsed.ok) throw new TypeError(parsed.diagnostics[0].detail);
  return parsed.value;
}

/** Numbers of the records that journal-writer wrote. */
function numbersOf(records: readonly JournalRecord[]): number[] {
  return records.flatMap((record) => (record.type === 'begin' ? Number(/\d+/.exec(record.address)?.[0]) : []));
}

t.test('what was appended is there, in order, for its owner only', async (t) => {
  const layout = readyLayout(t);
  const header = headerFor(layout);
  const journal = await openJournal(layout, header);
  const many = Array.from({ length: 200 }, (_, index) => beginVolume(`v${index}`));
  await Promise.all(many.map((record) => journal.append([record])));
  await journal.append([beginVolume('x'), beginVolume('y')]);
  await journal.append([]);
  await journal.close();
  t.strictSame(recordsOf(layout), [header, ...many, beginVolume('x'), beginVolume('y')]);
  t.equal(statSync(layout.journalPath).mode & 0o777, 0o600);
});

t.test('a journal that is there is never written over', async (t) => {
  const layout = readyLayout(t);
  const journal = await openJournal(layout, headerFor(layout));
  await journal.append([beginVolume('a')]);
  await t.rejects(openJournal(layout, headerFor(layout)), { code: 'SBX4008' });
  t.equal(recordsOf(layout).length, 2);
  await journal.close();
});

t.test('close waits for what was appended; later appends fail', async (t) => {
  const layout = readyLayout(t);
  const journal = await openJournal(layout, headerFor(layout));
  const appended = journal.append([beginVolume('a')]);
  await journal.close();
  await appended;
  t.equal(recordsOf(layout).length, 2);
  await t.rejects(journal.append([beginVolume('b')]), { code: 'SBX4008', message: /closed/ });
});

t.test('a process killed while it appends loses nothing that it was promised', async (t) => {
  const program = bundledProgram(t, 'journal-writer');
  for (let round = 0; round < (soak ? 100 : 8); round++) {
    const layout = readyLayout(t);
    const { child, saysMore, ended } = startProgram(t, [...program, layout.home.state, String(1 + (round % 4) * 5)]);
    await saysMore();
    // Some output later: where in an append that is differs from round to round.
    for (let chunk = 0; chunk < 1 + round * 3; chunk++) await saysMore();
    child.kill('SIGKILL');
    const { signal, lines } = await ended;
    const promised = lines.flatMap((line) => /^ack (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    const found = numbersOf(recordsOf(layout));
    t.equal(signal, 'SIGKILL');
    t.ok(promised.length > 0);
    t.strictSame(found, [...found.keys()], 'all numbers up to the last, in order');
    t.ok(Math.max(...promised) < found.length, `${promised.length} promised, ${found.length} found`);
  }
});

t.test('no promise is made before its sync', { skip: noStrace ?? false }, async (t) => {
  const layout = readyLayout(t);
  const log = join(layout.home.state, 'trace');
  const argv = [...bundledProgram(t, 'journal-writer'), layout.home.state, '4', '40'];
  const { lines } = await startProgram(t, traced(argv, log, ['trace=write,pwrite64,fdatasync'])).ended;
  t.equal(lines.at(-1), 'closed');
  let [written, synced, promises] = [0, 0, 0];
  for (const line of finishedCalls(readFileSync(log, 'utf8'))) {
    const records = line.match(/volume\.v\d+\/create/g)?.length ?? 0;
    if (records > 0) written += records;
    else if (line.includes('fdatasync(')) synced = written;
    else if (line.includes('"ack ')) {
      promises++;
      t.ok(promises <= synced, `promise ${promises} after the sync of ${synced}`);
    }
  }
  t.equal(promises, 40);
});

t.test('killed in a sync, the record may be there but was not promised', { skip: noStrace ?? false }, async (t) => {
  const program = bundledProgram(t, 'journal-writer');
  for (const when of [2, 3, 7]) {
    const layout = readyLayout(t);
    const rules = ['trace=fdatasync', `inject=fdatasync:signal=KILL:when=${when}`];
    const argv = traced([...program, layout.home.state, '1', '20'], join(layout.home.state, 'trace'), rules);
    const { lines } = await startProgram(t, argv).ended;
    t.equal(lines.length, when - 1, 'the header and every record before');
    t.equal(recordsOf(layout).length, when);
  }
});

t.test(
  'after one failed sync every append fails and nothing more is written',
  { skip: noStrace ?? false },
  async (t) => {
    const layout = readyLayout(t);
    const log = join(layout.home.state, 'trace');
    const rules = ['trace=fdatasync,write,pwrite64', 'inject=fdatasync:error=EIO:delay_enter=50000:when=4'];
    const argv = [...bundledProgram(t, 'journal-writer'), layout.home.state, 'flood', '100000'];
    const { lines } = await startProgram(t, traced(argv, log, rules)).ended;
    t.match(lines.at(-1), /^error cannot write the journal .*: EIO/);
    const calls = finishedCalls(readFileSync(log, 'utf8'));
    const failure = calls.findIndex((call) => call.includes('EIO'));
    t.ok(failure > 0);
    t.notOk(calls.slice(failure).some((call) => call.includes('volume.create')));
    t.ok(recordsOf(layout).length > 3, 'what was written can be read');
  },
);

/** Calls of a trace in the order in which they ended; strace splits those that overlap. */
function finishedCalls(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split('\n').flatMap((line) => {
    const [pid = ''] = line.split(' ', 1);
    if (line.includes('<unfinished ...>')) begun.set(pid, line);
    const resumed = line.includes(' resumed>') ? `${begun.get(pid) ?? ''}${line}` : line;
    return line.includes('<unfinished ...>') ? [] : [resumed];
  });
}

t.test('appends that wait share a sync', async (t) => {
  const rate = async (writers: number) => {
    const layout = readyLayout(t);
    const journal = await openJournal(layout, headerFor(layout));
    const started = performance.now();
    let left = 2000;
    const write = async () => {
      while (left-- > 0) await journal.append([beginVolume('v')]);
    };
    await Promise.all(Array.from({ length: writers }, write));
    const perRecordMs = (performance.now() - started) / 2000;
    await journal.close();
    return perRecordMs;
  };
  const [alone, grouped] = [await rate(1), await rate(16)];
  t.comment(`per record: ${alone.toFixed(3)} ms alone, ${grouped.toFixed(3)} ms from 16 writers`);
  t.ok(grouped < alone, 'grouped is faster');
});
