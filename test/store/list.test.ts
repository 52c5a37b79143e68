import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { statesDir } from '../../src/store/home.ts';
import { openJournal } from '../../src/store/journal-file.ts';
import { listSandboxes } from '../../src/store/list.ts';
import { writeState } from '../../src/store/state-file.ts';
import { headerFor, layoutOf, stateOf, temporaryHome } from '../support/temp-home.ts';

t.test('all sandboxes of a home are listed, whatever their state', async (t) => {
  const home = temporaryHome(t);
  t.strictSame(await listSandboxes(home), [], 'a home that is not there has none');
  await writeState(layoutOf(home, 'shop'), stateOf(layoutOf(home, 'shop')));
  await writeState(layoutOf(home, 'shop', 'PR.17'), stateOf(layoutOf(home, 'shop', 'PR.17')));
  const first = layoutOf(home, 'first');
  await (await openJournal(first, headerFor(first))).close();
  writeFileSync(join(statesDir(home), 'broken.json'), '{');
  for (const other of ['x.lock', 'Bad Name.json', '.tmp.json', 'a@b@c.json'])
    writeFileSync(join(statesDir(home), other), '');
  mkdirSync(join(statesDir(home), 'folder'));
  const listed = await listSandboxes(home);
  t.strictSame(
    listed.map(({ layout, snapshot }) => [layout.id, snapshot.ok]),
    [
      ['broken', false],
      ['first', true],
      ['shop', true],
      ['shop@PR.17', true],
    ],
  );
});
