// Appends numbered records to a journal until it is killed, and says of each when it is durable.
// usage: journal-writer HOME WRITERS|flood [COUNT]; flood does not wait for one append before the next.
import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { describeError } from '../../src/core/errors.ts';
import { ensurePrivateFolder } from '../../src/host/files.ts';
import { resolveHome, statesDir } from '../../src/store/home.ts';
import { type Journal, openJournal } from '../../src/store/journal-file.ts';
import { beginVolume, headerFor, layoutOf } from './temp-home.ts';

const [folder = '', writers = '1', count = '1000000'] = process.argv.slice(2);
const home = resolveHome({ flag: folder, environment: {}, uid: 0 });
let next = 0;

await ensurePrivateFolder(statesDir(home));
const layout = layoutOf(home);
try {
  const journal = await openJournal(layout, headerFor(layout));
  writeSync(1, 'open\n');
  if (writers === 'flood') await flood(journal);
  else await Promise.all(Array.from({ length: Number(writers) }, () => write(journal)));
  await journal.close();
  writeSync(1, 'closed\n');
} catch (error) {
  writeSync(1, `error ${describeError(error)}\n`);
}

async function write(journal: Journal): Promise<void> {
  while (next < Number(count)) {
    const mine = next++;
    await journal.append([beginVolume(`v${mine}`)]);
    writeSync(1, `ack ${mine}\n`);
  }
}

async function flood(journal: Journal): Promise<void> {
  const appends: Promise<void>[] = [];
  let failures = 0;
  for (; next < Number(count) && failures === 0; next++) {
    const append = journal.append([beginVolume(`v${next}`)]);
    append.catch(() => failures++);
    appends.push(append);
    await turn();
  }
  await Promise.all(appends);
}
