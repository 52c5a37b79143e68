import { lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeWayForFile } from '../../src/host/own-files.ts';

t.test('what is no file makes way for one of ours, but never a device', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-own-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x');
  mkdirSync(path);
  makeWayForFile(path);
  t.equal(lstatSync(path, { throwIfNoEntry: false }), undefined, 'a folder');
  symlinkSync('/dev/zero', path);
  makeWayForFile(path);
  t.equal(lstatSync(path, { throwIfNoEntry: false }), undefined, 'a link, not what it leads to');
  writeFileSync(path, 'kept');
  makeWayForFile(path);
  t.equal(lstatSync(path).size, 4, 'a file stays');
  makeWayForFile('/dev/zero');
  t.ok(lstatSync('/dev/zero').isCharacterDevice(), 'a device stays');
});
