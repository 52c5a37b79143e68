import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { State } from '../../src/core/state/state.ts';
import { formatState } from '../../src/core/state/state-text.ts';
import { type SandboxLayout, statesDir } from '../../src/store/home.ts';
import { openJournal } from '../../src/store/journal-file.ts';
import { readSnapshot, type Snapshot } from '../../src/store/snapshot.ts';
import { checkFolder, removeState, settleJournal, writeState } from '../../src/store/state-file.ts';
import { bundledProgram, startProgram, straceProblem, traced } from '../support/bundled-program.ts';
import { beginVolume, headerFor, layoutOf, stateOf, temporaryHome, volumeRecord } from '../support/temp-home.ts';

const noStrace = straceProblem();

function readyLayout(t: Test): SandboxLayout {
  const home = temporaryHome(t);
  mkdirSync(statesDir(home), { recursive: true });
  return layoutOf(home);
}

async function snapshotOf(layout: SandboxLayout): Promise<Snapshot> {
  const snapshot = await readSnapshot(layout);
  if (!snapshot.ok) throw new TypeError(`${snapshot.diagnostics[0].code} ${snapshot.diagnostics[0].detail}`);
  return snapshot.value;
}

/** Leaves a journal as a killed apply does. */
async function unfinished(layout: SandboxLayout, state: State | undefined, volume: string): Promise<void> {
  const journal = await openJournal(layout, headerFor(layout, state));
  await journal.append([beginVolume(volume)]);
  await journal.close();
}

function namesOf(state: State | undefined): string[] {
  return (state?.resources ?? []).map((record) => record.address);
}

t.test('a state is read as it was written, with the next serial, for its owner only', async (t) => {
  const layout = readyLayout(t);
  t.strictSame(await snapshotOf(layout), { state: undefined, unfinished: false, journal: 'none', stamp: 'none' });
  const state = stateOf(layout, [volumeRecord('a')]);
  const written = await writeState(layout, state);
  t.strictSame(written, { ...state, serial: 1 });
  const snapshot = { state: written, unfinished: false, journal: 'none', stamp: 'lineage-1/1' };
  t.strictSame(await snapshotOf(layout), snapshot);
  t.equal(statSync(layout.statePath).mode & 0o777, 0o600);
  t.equal(statSync(layout.backupsDir).mode & 0o777, 0o700);
});

t.test('the last five states stay as backups', async (t) => {
  const layout = readyLayout(t);
  let state = stateOf(layout);
  for (let round = 0; round < 8; round++)
    state = await writeState(layout, { ...state, resources: [volumeRecord(`v${round}`)] });
  t.strictSame(readdirSync(layout.backupsDir).sort(), ['3.json', '4.json', '5.json', '6.json', '7.json']);
  const backup = JSON.parse(readFileSync(join(layout.backupsDir, '7.json'), 'utf8'));
  t.match(backup, { serial: 7, resources: [{ address: 'volume.v6' }] });
});

t.test('after an older state was put back, its backup and the newer ones stay', async (t) => {
  const layout = readyLayout(t);
  let state = stateOf(layout);
  for (let round = 0; round < 8; round++) state = await writeState(layout, state);
  writeFileSync(layout.statePath, formatState({ ...state, serial: 1 }));
  await writeState(layout, { ...state, serial: 1 });
  const names = ['1.json', '3.json', '4.json', '5.json', '6.json', '7.json'];
  t.strictSame(readdirSync(layout.backupsDir).sort(), names);
});

t.test('a journal counts as recorded at once, and settling folds it in', async (t) => {
  const layout = readyLayout(t);
  const state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
  const before = await snapshotOf(layout);
  await unfinished(layout, state, 'b');
  const snapshot = await snapshotOf(layout);
  t.match(snapshot, { unfinished: true, journal: 'live' });
  t.not(snapshot.stamp, before.stamp, 'the stamp moved');
  t.strictSame(namesOf(snapshot.state), ['volume.a', 'volume.b']);
  t.match(snapshot.state?.resources[1], { pending: { op: 'volume.create' } });
  const settled = await settleJournal(layout, snapshot);
  t.strictSame(settled, { ...snapshot.state, serial: 2 });
  t.notOk(existsSync(layout.journalPath));
  t.match(await snapshotOf(layout), { state: settled, unfinished: false, journal: 'none' });
});

t.test('the journal of the first apply is all there is, and counts', async (t) => {
  const layout = readyLayout(t);
  await unfinished(layout, undefined, 'a');
  const snapshot = await snapshotOf(layout);
  t.match(snapshot, { unfinished: true, journal: 'live', state: { serial: 0, lineage: 'lineage-1' } });
  t.strictSame(namesOf(snapshot.state), ['volume.a']);
  t.match(await settleJournal(layout, snapshot), { serial: 1 });
});

t.test('a journal that ended by itself is not unfinished', async (t) => {
  const layout = readyLayout(t);
  const journal = await openJournal(layout, headerFor(layout));
  await journal.append([{ type: 'close', outputs: { a: { value: 1 } } }]);
  await journal.close();
  t.match(await snapshotOf(layout), { unfinished: false, journal: 'live', state: { outputs: { a: { value: 1 } } } });
});

t.test('a journal that is part of the state is ignored, even damaged, and dropped', async (t) => {
  const layout = readyLayout(t);
  await unfinished(layout, undefined, 'a');
  const kept = readFileSync(layout.journalPath);
  const state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
  writeFileSync(layout.journalPath, `${kept}garbage\n`);
  const snapshot = await snapshotOf(layout);
  t.match(snapshot, { state, unfinished: false, journal: 'folded' });
  t.strictSame(await settleJournal(layout, snapshot), state);
  t.notOk(existsSync(layout.journalPath));
});

t.test('a journal that was never written whole is no journal, and does not block the next', async (t) => {
  const layout = readyLayout(t);
  for (const text of ['', '{"type":"op', '\0\0\0\0']) {
    writeFileSync(layout.journalPath, text);
    const snapshot = await snapshotOf(layout);
    t.match(snapshot, { journal: 'none', stamp: 'none' });
    t.equal(await settleJournal(layout, snapshot), undefined);
    await unfinished(layout, undefined, 'a');
    await removeState(layout);
  }
});

t.test('what is damaged is told and left alone, with the backups', async (t) => {
  const broken: { name: string; code: string; break: (layout: SandboxLayout, text: string) => void; hint?: RegExp }[] =
    [
      {
        name: 'a truncated state',
        code: 'SBX4002',
        break: (layout, text) => writeFileSync(layout.statePath, text.slice(0, text.length / 2)),
        hint: /Backups, newest first: .*2\.json, .*1\.json[\s\S]*\ncp .*2\.json .*shop\.json/,
      },
      { name: 'an empty state', code: 'SBX4002', break: (layout) => writeFileSync(layout.statePath, ''), hint: /cp / },
      {
        name: 'an edited state',
        code: 'SBX4002',
        break: (layout, text) => writeFileSync(layout.statePath, text.replace('"ready"', '"reddy"')),
        hint: /cp /,
      },
      {
        name: 'the state of another sandbox',
        code: 'SBX4002',
        break: (layout, text) => writeFileSync(layout.statePath, text.replace('"shop"', '"stop"')),
      },
      {
        name: 'a newer state',
        code: 'SBX4003',
        break: (layout, text) =>
          writeFileSync(layout.statePath, text.replace('"format_version": 1', '"format_version": 2')),
      },
      {
        name: 'garbage in the journal',
        code: 'SBX4004',
        break: (layout) => {
          const { journalPath } = layout;
          const header = JSON.stringify(headerFor(layout, { ...stateOf(layout), serial: 3 }));
          writeFileSync(journalPath, `${header}\n???\n{}\n`);
        },
        hint: /mv .*shop\.journal /,
      },
      {
        name: 'a journal of a newer serial',
        code: 'SBX4005',
        break: (layout) => {
          writeFileSync(
            layout.journalPath,
            `${JSON.stringify(headerFor(layout, { ...stateOf(layout), serial: 4 }))}\n`,
          );
        },
        hint: /mv .*shop\.journal /,
      },
      {
        name: 'a journal of another lineage',
        code: 'SBX4005',
        break: (layout) => {
          const header = headerFor(layout, { ...stateOf(layout), serial: 3, lineage: 'other' });
          writeFileSync(layout.journalPath, `${JSON.stringify(header)}\n`);
        },
      },
    ];
  for (const { name, code, break: damage, hint } of broken) {
    const layout = readyLayout(t);
    let state = stateOf(layout, [volumeRecord('a')]);
    for (let round = 0; round < 3; round++) state = await writeState(layout, state);
    damage(layout, readFileSync(layout.statePath, 'utf8'));
    const before = [layout.statePath, layout.journalPath].map((path) => existsSync(path) && readFileSync(path, 'utf8'));
    const snapshot = await readSnapshot(layout);
    t.match(snapshot, { ok: false, diagnostics: [{ code, ...(hint === undefined ? {} : { hint }) }] }, name);
    const after = [layout.statePath, layout.journalPath].map((path) => existsSync(path) && readFileSync(path, 'utf8'));
    t.strictSame(after, before, `${name}: nothing was changed`);
  }
});

t.test('a state file that is gone while its journal is there is told', async (t) => {
  const layout = readyLayout(t);
  const state = await writeState(layout, stateOf(layout));
  await unfinished(layout, state, 'a');
  rmSync(layout.statePath);
  t.match(await readSnapshot(layout), {
    ok: false,
    diagnostics: [{ code: 'SBX4005', detail: /there is no state file/ }],
  });
});

t.test('a sandbox that is removed between the two reads is not damaged', async (t) => {
  const layout = readyLayout(t);
  spawnSync('mkfifo', [layout.journalPath]);
  const reading = readSnapshot(layout);
  // The reader has opened the journal once this returns.
  const journal = await open(layout.journalPath, 'w');
  rmSync(layout.journalPath);
  await journal.writeFile(`${JSON.stringify(headerFor(layout, { ...stateOf(layout), serial: 5 }))}\n`);
  await journal.close();
  t.match(await reading, { ok: true, value: { state: undefined, journal: 'none' } });
});

t.test('a sandbox that is removed leaves nothing', async (t) => {
  const layout = readyLayout(t);
  let state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
  state = await writeState(layout, { ...state, resources: [] });
  await unfinished(layout, state, 'b');
  await removeState(layout);
  t.strictSame(readdirSync(statesDir(layout.home)), []);
  t.strictSame(readdirSync(dirname(layout.backupsDir)), []);
  t.match(await snapshotOf(layout), { state: undefined });
});

t.test('a state belongs to one folder, links resolved', async (t) => {
  const layout = readyLayout(t);
  const [mine, other, link] = ['mine', 'other', 'link'].map((name) => join(layout.home.state, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(mine);
  mkdirSync(other);
  symlinkSync(mine, link);
  const state = { ...stateOf(layout), folder: mine };
  t.equal(await checkFolder(state, mine), undefined);
  t.equal(await checkFolder(state, link), undefined);
  t.match(await checkFolder(state, other), { code: 'SBX4006', detail: new RegExp(`from ${mine}, not from ${other}`) });
  t.equal(await checkFolder({ ...state, folder: '/gone' }, '/gone'), undefined);
  t.match(await checkFolder({ ...state, folder: '/gone' }, other), { code: 'SBX4006' });
});

t.test('reading while another process writes never shows a mixture', async (t) => {
  const layout = readyLayout(t);
  const program = bundledProgram(t, 'state-writer');
  let previous = 0;
  for (let round = 0; round < 5; round++) {
    const { ended } = startProgram(t, [...program, layout.home.state, `v${round}`]);
    let running = true;
    void ended.then(() => {
      running = false;
    });
    while (running) {
      const { length } = namesOf((await snapshotOf(layout)).state);
      if (length < previous) t.fail(`${length} resources after ${previous}`);
      previous = length;
    }
  }
  t.strictSame(namesOf((await snapshotOf(layout)).state), [
    'volume.v0',
    'volume.v1',
    'volume.v2',
    'volume.v3',
    'volume.v4',
  ]);
});

t.test('killed at any call that changes the disk, nothing recorded is lost', { skip: noStrace ?? false }, async (t) => {
  const program = bundledProgram(t, 'state-writer');
  let killed = 0;
  for (const call of ['fsync', 'fdatasync', 'rename', 'link', 'unlink', 'ftruncate']) {
    for (let when = 1; when <= 12; when++) {
      const layout = readyLayout(t);
      // There is a state, a backup and the journal of an apply that was killed.
      let state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
      state = await writeState(layout, state);
      await unfinished(layout, state, 'b');
      const rules = [`trace=${call}`, `inject=${call}:signal=KILL:when=${when}`];
      const argv = traced([...program, layout.home.state, 'c'], join(layout.home.state, 'trace'), rules);
      const { lines, signal } = await startProgram(t, argv).ended;
      const names = namesOf((await snapshotOf(layout)).state);
      const want = lines.includes('recorded c') ? ['volume.a', 'volume.b', 'volume.c'] : ['volume.a', 'volume.b'];
      t.ok(
        want.every((name) => names.includes(name)),
        `${call} ${when}: ${names.join(' ')}`,
      );
      // The next one goes on as if nothing had been.
      const next = await startProgram(t, [...program, layout.home.state, 'd']).ended;
      t.match(next.lines.at(-1), /^written/, `${call} ${when}: the next apply works`);
      t.ok(namesOf((await snapshotOf(layout)).state).includes('volume.d'));
      if (signal === null && lines.at(-1)?.startsWith('written')) break;
      killed++;
    }
  }
  t.comment(`${killed} kills`);
  t.ok(killed >= 10, `${killed} kills`);
});
