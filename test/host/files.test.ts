// Folders and files that must survive a crash whole.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ensurePrivateFolder, temporaryOf, writeFileAtomic, writeFileUnlocked } from '../../src/host/files.ts';

function scratch(t: { teardown: (end: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-files-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test('a folder is made with its parents, for its owner alone', async (t) => {
  const path = join(scratch(t), 'a/b/c');
  await ensurePrivateFolder(path);
  await ensurePrivateFolder(path);
  t.equal(statSync(path).mode & 0o777, 0o700);
});

t.test('a folder behind a link is one', async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  await t.resolves(ensurePrivateFolder(join(folder, 'link')));
});

const impossible: readonly {
  readonly name: string;
  readonly path: (folder: string) => string;
  readonly code: string;
}[] = [
  { name: 'where a file stands', path: (folder) => join(folder, 'file'), code: 'EEXIST' },
  { name: 'below a file', path: (folder) => join(folder, 'file/below'), code: 'ENOTDIR' },
  { name: 'in a file system that takes none', path: () => '/proc/nowhere/below', code: 'ENOENT' },
];
for (const { name, path, code } of impossible) {
  t.test(`no folder is made ${name}, and that is said at once`, async (t) => {
    const folder = scratch(t);
    writeFileSync(join(folder, 'file'), '');
    await t.rejects(ensurePrivateFolder(path(folder)), { code });
  });
}

t.test('a file is replaced whole and leaves no other behind', async (t) => {
  const folder = scratch(t);
  await writeFileAtomic(join(folder, 'x'), 'one');
  await writeFileAtomic(join(folder, 'x'), 'two');
  t.equal(readFileSync(join(folder, 'x'), 'utf8'), 'two');
  t.strictSame(readdirSync(folder), ['x']);
  t.equal(statSync(join(folder, 'x')).mode & 0o777, 0o600);
});

t.test('a file that cannot be put in place leaves nothing behind', async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'taken'));
  await t.rejects(writeFileAtomic(join(folder, 'taken'), 'x'), { code: 'EISDIR' });
  t.strictSame(readdirSync(folder), ['taken']);
});

t.test('what a killed writer left is overwritten by the next one', async (t) => {
  const folder = scratch(t);
  const path = join(folder, 'x');
  writeFileSync(temporaryOf(path), 'half of something much lon');
  await writeFileAtomic(path, 'whole');
  t.equal(readFileSync(path, 'utf8'), 'whole');
  t.strictSame(readdirSync(folder), ['x']);
});

t.test('writers without a lock do not disturb each other', async (t) => {
  const folder = scratch(t);
  const path = join(folder, 'x');
  const texts = Array.from({ length: 20 }, (_, at) => String(at).repeat(50_000));
  await Promise.all(texts.map((text) => writeFileUnlocked(path, text)));
  t.ok(texts.includes(readFileSync(path, 'utf8')), 'one of them is there, whole');
  t.strictSame(readdirSync(folder), ['x']);
});
