import { readdirSync, statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { planKeyPath } from '../../src/store/home.ts';
import { ensureKey, keyedHash, keyId, readKey, sealOf } from '../../src/store/key.ts';
import { temporaryHome } from '../support/temp-home.ts';

t.test('a home has one key, made once, for its owner only', async (t) => {
  const home = temporaryHome(t);
  t.equal(await readKey(home), undefined);
  const keys = await Promise.all([1, 2, 3, 4, 5].map(() => ensureKey(home)));
  for (const key of keys) t.strictSame(key, keys[0]);
  t.equal(keys[0]?.length, 32);
  t.strictSame(await readKey(home), keys[0]);
  t.equal(statSync(planKeyPath(home)).mode & 0o777, 0o600);
  t.strictSame(readdirSync(home.state), ['key'], 'no rests');
  t.notSame(await ensureKey(temporaryHome(t)), keys[0], 'another home has another');
});

t.test('a damaged key is told, not replaced', async (t) => {
  const home = temporaryHome(t);
  writeFileSync(planKeyPath(home), 'short');
  await t.rejects(readKey(home), { code: 'SBX4024' });
  await t.rejects(ensureKey(home), { code: 'SBX4024' });
  t.equal(statSync(planKeyPath(home)).size, 5);
});

t.test('hashes compare values of one home and tell nothing else', async (t) => {
  const [key, other] = [await ensureKey(temporaryHome(t)), await ensureKey(temporaryHome(t))];
  t.equal(keyedHash(key, 'secret'), keyedHash(key, 'secret'));
  t.not(keyedHash(key, 'secret'), keyedHash(key, 'secres'));
  t.not(keyedHash(key, 'secret'), keyedHash(other, 'secret'));
  t.match(keyedHash(key, ''), /^[0-9a-f]{40}$/);
  t.not(sealOf(key, 'x').toString('hex').slice(0, 40), keyedHash(key, 'x'), 'a hash is no seal');
  t.not(keyId(key), keyId(other));
  t.notOk(key.toString('hex').includes(keyId(key)));
});
