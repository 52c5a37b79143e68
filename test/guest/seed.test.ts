import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { buildSeed, readSeedEnv, type SeedContent } from '../../src/guest/seed.ts';
import { run } from '../../src/host/exec.ts';

const plain: SeedContent = {
  hostname: 'web-0',
  nics: [
    { mac: '52:54:00:00:00:01', ip: '10.1.0.2', prefix: 24, gateway: '10.1.0.1', dns: ['10.1.0.1', '9.9.9.9'] },
    { mac: '52:54:00:00:00:02', ip: '10.2.0.2', prefix: 16 },
    { mac: '52:54:00:00:00:03', dhcp: true },
  ],
  hosts: [{ ip: '10.1.0.3', names: ['db', 'db.lan'] }],
  env: new Map([['A', '1']]),
  authorizedKeys: ['ssh-ed25519 AAAA me'],
  hostKey: Buffer.from('key'),
  files: [{ path: '/srv/a/b.txt', mode: 0o644, content: Buffer.from('b') }],
};

async function unpacked(t: Tap, seed: Uint8Array): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-seed-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'seed.img'), seed);
  await run(['tar', '-x', '-f', join(folder, 'seed.img'), '-C', folder]);
  return folder;
}
type Tap = { teardown: (undo: () => void) => void };

t.test('a seed holds one file for each thing a guest is told', async (t) => {
  const folder = await unpacked(t, buildSeed(plain));
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  t.equal(text('hostname'), 'web-0\n');
  t.equal(
    text('nics'),
    '52:54:00:00:00:01 10.1.0.2/24 10.1.0.1\n52:54:00:00:00:02 10.2.0.2/16 -\n52:54:00:00:00:03 dhcp -\n',
  );
  t.equal(text('resolv.conf'), 'nameserver 10.1.0.1\nnameserver 9.9.9.9\n');
  t.match(text('hosts'), /^127\.0\.0\.1 localhost\n[\s\S]*\n10\.1\.0\.2 web-0\n10\.1\.0\.3 db db\.lan\n$/);
  t.equal(text('host_key'), 'key');
  t.equal(statSync(join(folder, 'host_key')).mode & 0o777, 0o600);
  t.equal(text('files/srv/a/b.txt'), 'b');
});

t.test('the same content gives the same bytes, a whole number of sectors', async (t) => {
  t.ok(Buffer.from(buildSeed(plain)).equals(buildSeed(plain)));
  t.equal(buildSeed(plain).length % 512, 0);
});

t.test('a variable reaches a shell as it is, whatever it holds', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-seed-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0')),
        async (value) => {
          writeFileSync(join(folder, 'seed.img'), buildSeed({ ...plain, env: new Map([['V', value]]) }));
          const script = await run(['tar', '-x', '-O', '-f', join(folder, 'seed.img'), 'env.sh']);
          return (await run(['sh', '-c', `${script}\nprintf %s "$V"`])) === value;
        },
      ),
      { numRuns: 25 },
    ),
  );
});

t.test('values that could become commands or lines of the guest are refused', async (t) => {
  const bad: Readonly<Record<string, Partial<SeedContent>>> = {
    'a hostname with a line break': { hostname: 'a\nb' },
    'a hostname that is an option': { hostname: '-F' },
    'a MAC that is none': { nics: [{ mac: '$(reboot)', dhcp: true }] },
    'an address that is none': { nics: [{ mac: '52:54:00:00:00:01', ip: '10.0.0.1 dev x', prefix: 24 }] },
    'a prefix beyond 32': { nics: [{ mac: '52:54:00:00:00:01', ip: '10.0.0.1', prefix: 33 }] },
    'a variable name with a semicolon': { env: new Map([['A;reboot', 'x']]) },
    'a key of two lines': { authorizedKeys: ['a\nb'] },
    'a file outside': { files: [{ path: '/../x', mode: 0o644, content: Buffer.alloc(0) }] },
    'a relative file': { files: [{ path: 'x', mode: 0o644, content: Buffer.alloc(0) }] },
  };
  for (const [name, change] of Object.entries(bad)) {
    t.throws(() => buildSeed({ ...plain, ...change }), { code: 'SBX9001' }, name);
  }
});

t.test('the environment of a seed reads back, whatever is in it', async (t) => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/);
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^['"\\\n =$a-z]{0,40}$/),
    fc.constant("'\nexport B='x"),
  );
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (values) => {
      const env = new Map(Object.entries(values).map(([key, text]) => [key, text.replaceAll('\0', '')]));
      const read = readSeedEnv(buildSeed({ ...plain, env }));
      t.strictSame([...read], [...env]);
    }),
  );
});

t.test('what is no seed has no environment', async (t) => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(512), Buffer.alloc(5000, 'x'), Buffer.from('env.sh')])
    t.equal(readSeedEnv(bytes).size, 0);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => readSeedEnv(bytes).size === 0));
});
