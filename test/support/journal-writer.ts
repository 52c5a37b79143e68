// Appends numbered records to a journal until it is killed, and says of each when it is durable.
// usage: journal-writer HOME WRITERS [COUNT]
import { writeSync } from 'node:fs';
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
  await Promise.all(Array.from({ length: Number(writers) }, () => write(journal)));
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
