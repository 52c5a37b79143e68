// The cache without a build: whole and broken entries, digests of the user's own files, disks.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { ensureImage, imageFolder, verifyImage } from '../../src/images/cache.ts';
import { imageDigest } from '../../src/images/digest.ts';
import { createDisk, growDisk } from '../../src/images/disks.ts';
import { withFileLock } from '../../src/images/lock.ts';
import { fileDigest } from '../../src/images/manifest.ts';
import { loadRecipe } from '../../src/images/recipe.ts';
import { bzImage } from '../support/image-files.ts';

const MiB = 1024 * 1024;
const tiny = { type: 'build', recipe: 'tiny' } as const;

function temporary(t: { teardown: (undo: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-img-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A cache entry as a build leaves it, with small files. */
async function cached(folder: string, recipesDir: string): Promise<{ digest: string; entry: string }> {
  const { digest } = await loadRecipe(recipesDir, 'tiny');
  const entry = imageFolder(folder, digest);
  mkdirSync(entry, { recursive: true });
  const files: Record<string, unknown> = {};
  for (const name of ['kernel', 'initrd', 'root.img']) {
    writeFileSync(join(entry, name), `content of ${name}`);
    files[name] = await fileDigest(join(entry, name));
  }
  const manifest = {
    format_version: 1,
    recipe: 'tiny',
    digest,
    builtAtMs: 1,
    distribution: 'debian',
    kernelRelease: '6',
    cmdline: 'quiet',
    packages: [],
    files,
  };
  writeFileSync(join(entry, 'manifest.json'), JSON.stringify(manifest));
  return { digest, entry };
}

t.test('the digest of a recipe follows every file of it, and nothing else', async (t) => {
  const folder = temporary(t);
  cpSync(resolve('images/tiny'), join(folder, 'tiny'), { recursive: true });
  const first = (await loadRecipe(folder, 'tiny')).digest;
  utimesSync(join(folder, 'tiny/recipe.json'), 1, 1);
  t.equal((await loadRecipe(folder, 'tiny')).digest, first, 'times do not matter');
  writeFileSync(join(folder, 'tiny/root/etc/new'), 'x');
  const second = (await loadRecipe(folder, 'tiny')).digest;
  t.not(second, first);
  writeFileSync(join(folder, 'tiny/root/etc/new'), 'y');
  t.not((await loadRecipe(folder, 'tiny')).digest, second);
  for (const name of ['none', '../tiny', 'tiny/root', ''])
    await t.rejects(loadRecipe(folder, name), { code: 'SBX7002' }, name);
});

t.test('a whole entry is used; one that is cut, incomplete or changed is noticed', async (t) => {
  const recipesDir = resolve('images');
  const damage: Readonly<Record<string, (entry: string) => void>> = {
    'a file cut short': (entry) => truncateSync(join(entry, 'kernel'), 3),
    'a file missing': (entry) => rmSync(join(entry, 'initrd')),
    'half a manifest': (entry) => truncateSync(join(entry, 'manifest.json'), 50),
    'no manifest': (entry) => rmSync(join(entry, 'manifest.json')),
  };
  for (const [name, spoil] of Object.entries(damage)) {
    const folder = temporary(t);
    const { digest, entry } = await cached(folder, recipesDir);
    t.match(await imageDigest(tiny, { cacheDir: folder, recipesDir }), { digest, cached: true, diskBytes: 19 });
    t.match(await ensureImage(tiny, { cacheDir: folder, recipesDir }), {
      kernel: join(entry, 'kernel'),
      cmdline: 'quiet',
      cacheKey: digest,
    });
    spoil(entry);
    t.match(await imageDigest(tiny, { cacheDir: folder, recipesDir }), { digest, cached: false }, name);
  }
  const folder = temporary(t);
  const { digest, entry } = await cached(folder, recipesDir);
  t.ok(await verifyImage(folder, digest));
  writeFileSync(join(entry, 'root.img'), 'Content of root.img');
  await t.rejects(verifyImage(folder, digest), { code: 'SBX7005', message: /root\.img/ }, 'same size, other content');
});

t.test(
  "files of one's own: the digest is that of their content, read again only when a file looks different",
  async (t) => {
    const folder = temporary(t);
    const kernel = join(folder, 'vmlinuz');
    const disk = join(folder, 'root.raw');
    writeFileSync(kernel, bzImage());
    writeFileSync(disk, Buffer.alloc(2 * MiB));
    const source = { type: 'files', kernel, disk, cmdline: 'quiet' } as const;
    const folders = { cacheDir: folder, recipesDir: folder };
    const first = await imageDigest(source, folders);
    t.match(first, { cached: false, takesBytes: Number, diskBytes: 2 * MiB });
    const again = await imageDigest(source, { ...folders, known: first.known });
    t.equal(again.known, first.known, 'nothing was read');
    t.equal(again.digest, first.digest);
    writeFileSync(kernel, bzImage(0x20d));
    t.not(
      (await imageDigest(source, { ...folders, known: first.known })).digest,
      first.digest,
      'same size, other content',
    );
    t.not((await imageDigest({ ...source, cmdline: '' }, folders)).digest, first.digest);
    await t.rejects(imageDigest({ ...source, kernel: folder }, folders), { code: 'SBX7006' });
    await t.rejects(ensureImage({ ...source, disk: join(folder, 'none') }, { ...folders, digest: first.digest }), {
      code: 'SBX7006',
      message: /none does not exist/,
    });
  },
);

t.test('a disk is a private sparse copy that only grows', async (t) => {
  const folder = temporary(t);
  const image = join(folder, 'image');
  writeFileSync(image, 'boot', { mode: 0o644 });
  truncateSync(image, 8 * MiB);
  const disk = { path: image, format: 'raw', sizeBytes: 8 * MiB } as const;
  const path = join(folder, 'vm.raw');
  t.match(await createDisk(path, { type: 'image', disk }, undefined), { sizeBytes: 8 * MiB });
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.ok(statSync(path).blocks * 512 < MiB, 'holes stay holes');
  writeFileSync(path, 'mine', { flag: 'r+' });
  t.equal(readFileSync(image).toString('utf8', 0, 4), 'boot', 'the image is never written');
  t.match(
    await createDisk(path, { type: 'image', disk }, 16 * MiB),
    { sizeBytes: 16 * MiB },
    'made again: kept and grown',
  );
  t.equal(readFileSync(path).toString('utf8', 0, 4), 'mine');
  t.match(await growDisk(path, 4 * MiB), { sizeBytes: 16 * MiB });
  t.equal(statSync(path).size, 16 * MiB, 'never smaller');
  await t.rejects(createDisk(join(folder, 'small'), { type: 'image', disk }, MiB), { code: 'SBX7007', hint: /8MiB/ });
  await t.rejects(createDisk(join(folder, 'none/x'), { type: 'empty' }, MiB), { code: 'SBX7007' });
  await t.rejects(growDisk(join(folder, 'none'), MiB), { code: 'SBX7007' });
  copyFileSync(image, join(folder, 'empty.raw.new'));
  t.match(
    await createDisk(join(folder, 'empty.raw'), { type: 'empty' }, MiB + 1),
    { sizeBytes: 2 * MiB },
    'leftovers of a crash are no hindrance',
  );
  t.ok(readFileSync(join(folder, 'empty.raw')).every((byte) => byte === 0));
});

t.test('a lock is held by one at a time, and freed by an error', async (t) => {
  const path = join(temporary(t), 'lock');
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((done) => setTimeout(done, 20));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 4 }, () => withFileLock(path, work, { timeoutMs: 60_000 })));
  t.equal(most, 1);
  await t.rejects(
    withFileLock(path, () => Promise.reject(new Error('x')), { timeoutMs: 1000 }),
    { message: 'x' },
  );
  await withFileLock(
    path,
    async () => {
      await t.rejects(withFileLock(path, work, { timeoutMs: 1000 }), { code: 'SBX7001', message: /another sbx/ });
    },
    { timeoutMs: 10_000 },
  );
});
