import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import { replay } from '../../src/core/state/replay.ts';
import { resolveHome, statesDir } from '../../src/store/home.ts';
import { readReservations, reservePorts } from '../../src/store/host-file.ts';
import { openJournal } from '../../src/store/journal-file.ts';
import { ensureKey, readKey } from '../../src/store/key.ts';
import { listSandboxes } from '../../src/store/list.ts';
import { acquireLock, readLockOwner } from '../../src/store/lock.ts';
import { readSnapshot } from '../../src/store/snapshot.ts';
import { settleJournal, writeState } from '../../src/store/state-file.ts';
import { noMount, smallDisk } from '../support/small-disk.ts';
import { beginVolume, headerFor, layoutOf, stateOf, volumeRecord } from '../support/temp-home.ts';

const request = { timeoutMs: 0, owner: { user: 'u', command: 'c' } };
const full = { code: 'SBX4008', message: /cannot write/, hint: /Make room/ };

t.test('a full disk loses nothing that was promised', { skip: noMount ?? false }, async (t) => {
  const disk = smallDisk(t, 256);
  const layout = layoutOf(resolveHome({ flag: disk.folder, environment: {}, uid: 0 }));
  const lock = await acquireLock(layout.lockPath, request);
  const state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
  const journal = await openJournal(layout, headerFor(layout, state));
  await journal.append([beginVolume('b')]);

  disk.fill();
  const promised: string[] = ['volume.a', 'volume.b'];
  const many = Array.from({ length: 40 }, (_, index) => beginVolume(`v${index}`));
  const failures = await Promise.all(
    many.map((record) =>
      journal.append([record]).then(
        () => promised.push('address' in record ? record.address : ''),
        (error) => error,
      ),
    ),
  );
  t.match(failures.at(-1), full, 'appends fail');
  await t.rejects(journal.append([beginVolume('later')]), full, 'all later ones too');
  await journal.close();

  const snapshot = await readSnapshot(layout);
  if (!snapshot.ok) return t.fail(snapshot.diagnostics[0].detail);
  const names = snapshot.value.state?.resources.map((record) => record.address as string) ?? [];
  t.ok(
    promised.every((name) => names.includes(name)),
    'what was promised is there',
  );
  const before = readFileSync(layout.statePath, 'utf8');
  await t.rejects(settleJournal(layout, snapshot.value), full, 'the state cannot be written');
  t.equal(readFileSync(layout.statePath, 'utf8'), before, 'and is as it was');
  t.ok(existsSync(layout.journalPath), 'as is the journal');
  t.strictSame(readdirSync(statesDir(layout.home)).sort(), ['shop.journal', 'shop.json', 'shop.lock'], 'no rests');

  disk.free();
  t.match(await settleJournal(layout, snapshot.value), { serial: 2, resources: { length: names.length } });
  if (lock.ok) lock.value.release();
  return t.end();
});

t.test('a full disk at the very first apply is told before anything runs', { skip: noMount ?? false }, async (t) => {
  const disk = smallDisk(t, 64);
  const layout = layoutOf(resolveHome({ flag: disk.folder, environment: {}, uid: 0 }));
  disk.fill();
  t.match(await acquireLock(layout.lockPath, request), { ok: true }, 'the lock holds without its note');
  await t.rejects(ensureKey(layout.home), { code: 'SBX4008', hint: /Make room/ });
  t.equal(await readKey(layout.home), undefined, 'no half key');
});

t.test('everything that plan and status read works on a read-only disk', { skip: noMount ?? false }, async (t) => {
  const disk = smallDisk(t, 256);
  const layout = layoutOf(resolveHome({ flag: disk.folder, environment: {}, uid: 0 }));
  const lock = await acquireLock(layout.lockPath, request);
  const state = await writeState(layout, stateOf(layout, [volumeRecord('a')]));
  const records: JournalRecord[] = [headerFor(layout, state), beginVolume('b')];
  const journal = await openJournal(layout, headerFor(layout, state));
  await journal.append(records.slice(1));
  await journal.close();
  const port = { hostIp: '127.0.0.1', hostPort: 80, protocol: 'tcp' } as const;
  await reservePorts(layout.home, layout.id, [port]);
  const key = await ensureKey(layout.home);
  if (lock.ok) lock.value.release();
  disk.readOnly();

  const snapshot = await readSnapshot(layout);
  t.match(snapshot, { ok: true, value: { unfinished: true, state: replay(state, records) } });
  t.match(await listSandboxes(layout.home), [{ snapshot: { ok: true } }]);
  t.match(await readReservations(layout.home), { reserved: new Map([['127.0.0.1:80/tcp', 'shop']]) });
  t.strictSame(await readKey(layout.home), key);
  t.equal(await readLockOwner(layout.lockPath), undefined);

  const refused = { code: 'SBX4008', hint: /read-only/ };
  await t.rejects(acquireLock(layout.lockPath, request), refused);
  await t.rejects(writeState(layout, state), refused);
  await t.rejects(openJournal(layout, headerFor(layout, state)), { code: 'SBX4008' });
  await t.rejects(reservePorts(layout.home, layout.id, []), refused);
});
