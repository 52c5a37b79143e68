// What an apply does to the files of a sandbox, whole: settles what is left, journals one more volume, writes the state.
// usage: state-writer HOME VOLUME
import { writeSync } from 'node:fs';
import { describeError } from '../../src/core/errors.ts';
import { replay } from '../../src/core/state/replay.ts';
import { resolveHome } from '../../src/store/home.ts';
import { openJournal } from '../../src/store/journal-file.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { readSnapshot } from '../../src/store/snapshot.ts';
import { settleJournal, writeState } from '../../src/store/state-file.ts';
import { beginVolume, headerFor, layoutOf } from './temp-home.ts';

const [folder = '', volume = 'v'] = process.argv.slice(2);
const layout = layoutOf(resolveHome({ flag: folder, environment: {}, uid: 0 }));
const say = (text: string) => writeSync(1, `${text}\n`);

try {
  const lock = await acquireLock(layout.lockPath, { timeoutMs: 0, owner: { user: 'u', command: 'state-writer' } });
  const snapshot = await readSnapshot(layout);
  if (!lock.ok || !snapshot.ok) say('error: no lock or no snapshot');
  else {
    const state = await settleJournal(layout, snapshot.value);
    const header = headerFor(layout, state);
    const records = [header, beginVolume(volume)];
    const journal = await openJournal(layout, header);
    await journal.append(records.slice(1));
    say(`recorded ${volume}`);
    await journal.close();
    const written = await writeState(layout, replay(state, records) ?? process.exit(9));
    say(`written ${written.serial}`);
    lock.value.release();
  }
} catch (error) {
  say(`error ${describeError(error)}`);
}
