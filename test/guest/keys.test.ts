import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeHostKey, makeUserKey } from '../../src/guest/keys.ts';
import { run } from '../../src/host/exec.ts';

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
