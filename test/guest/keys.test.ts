import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import t from 'tap';
import { makeHostKey, makeUserKey } from '../../src/guest/keys.ts';
import { run } from '../../src/host/exec.ts';
import { soak } from '../support/property.ts';

t.test('ssh-keygen reads a user key and finds its public half', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-keys-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  // Comments of each length give each length of padding.
  for (const comment of ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'sbx shop\nsecond line']) {
    const key = makeUserKey(comment);
    const path = join(folder, `key${comment.length}`);
    writeFileSync(path, key.privateKey, { mode: 0o600 });
    const told = (await run(['ssh-keygen', '-y', '-f', path])).trim();
    t.equal(told, key.publicLine.trim(), JSON.stringify(comment));
    t.notOk(key.publicLine.includes('\n'));
  }
});

t.test('a host key has the layout that dropbear reads', async (t) => {
  const { privateKey, publicLine } = makeHostKey();
  const bytes = Buffer.from(privateKey);
  t.equal(bytes.length, 4 + 11 + 4 + 64);
  t.equal(bytes.toString('latin1', 4, 15), 'ssh-ed25519');
  t.equal(bytes.readUInt32BE(15), 64);
  const blob = Buffer.from(publicLine.split(' ')[1] ?? '', 'base64');
  t.ok(blob.subarray(-32).equals(bytes.subarray(-32)), 'the public half is the same');
});

t.test('no two keys are alike', async (t) => {
  t.not(makeUserKey('a').publicLine, makeUserKey('a').publicLine);
  t.not(makeHostKey().publicLine, makeHostKey().publicLine);
});

t.test('keys are made at whatever moment memory is cleaned up', async (t) => {
  const bundle = join(t.testdir(), 'keys.mjs');
  await build({ entryPoints: ['src/guest/keys.ts'], bundle: true, platform: 'node', format: 'esm', outfile: bundle });
  // It met about one key in 8,000: a push makes as many as cost some seconds.
  const count = soak ? 100_000 : 10_000;
  const code = `import(${JSON.stringify(bundle)}).then(({ makeHostKey }) => { for (let n = 0; n < ${count}; n++) makeHostKey(); })`;
  const ran = spawnSync(process.execPath, ['-e', code], { timeout: 600_000, encoding: 'utf8' });
  t.match(ran, { status: 0, stderr: '' }, 'a key that is exported after it was made waits for itself for ever');
});
