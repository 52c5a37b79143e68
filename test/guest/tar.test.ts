import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { tarArchive } from '../../src/guest/tar.ts';
import { run } from '../../src/host/exec.ts';

const long = `${'d'.repeat(90)}/${'e'.repeat(60)}/${'f'.repeat(99)}`;

t.test('an archive is what tar itself reads', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-tar-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const contents = { empty: '', 'one block': 'x'.repeat(512), odd: 'y'.repeat(513), ünïcode: 'z', [long]: 'deep' };
  const archive = tarArchive([
    { type: 'folder', path: 'sub', mode: 0o700 },
    ...Object.entries(contents).map(([path, text]) => ({
      type: 'file' as const,
      path,
      mode: 0o640,
      content: Buffer.from(text),
    })),
  ]);
  t.equal(archive.length % 512, 0);
  writeFileSync(join(folder, 'a.tar'), archive);
  await run(['tar', '-x', '-p', '-f', join(folder, 'a.tar'), '-C', folder]);
  for (const [path, text] of Object.entries(contents)) {
    t.equal(readFileSync(join(folder, path), 'utf8'), text, path.slice(0, 20));
    t.equal(statSync(join(folder, path)).mode & 0o7777, 0o640);
  }
  t.equal(statSync(join(folder, 'sub')).mode & 0o7777, 0o700);
});

t.test('names that lead elsewhere or do not fit never get into an archive', async (t) => {
  for (const path of ['/etc/passwd', 'a/../../b', 'nul\0', 'n'.repeat(101), `${'p'.repeat(156)}/n`]) {
    t.throws(
      () => tarArchive([{ type: 'file', path, mode: 0o600, content: Buffer.alloc(0) }]),
      { code: 'SBX9001' },
      path.slice(0, 20),
    );
  }
});
