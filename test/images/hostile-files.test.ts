// Files of an image that mean harm: they are refused by what their own bytes say, before any other program opens them, and
// what a program opens is the copy that was looked at.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SbxError } from '../../src/core/errors.ts';
import { tryRun } from '../../src/host/exec.ts';
import { type EnsureOptions, ensureImage } from '../../src/images/cache.ts';
import { imageDigest } from '../../src/images/digest.ts';
import { createDisk } from '../../src/images/disks.ts';
import type { ReadOptions } from '../../src/images/hash-file.ts';
import { withFileLock } from '../../src/images/lock.ts';
import { bzImage, elfKernel, type Qcow2Fields, qcow2, withMultiboot } from '../support/image-files.ts';

const secret = 'root:of-the-host-and-of-nobody-else';
const MiB = 2 ** 20;

/** A clone with a sound kernel, a cache beside it and a file of the host that holds a secret. */
function place(t: Test): {
  readonly clone: string;
  readonly folders: { cacheDir: string; recipesDir: string };
  readonly host: string;
} {
  const root = mkdtempSync('/tmp/sbxi-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const clone = join(root, 'clone');
  mkdirSync(clone);
  writeFileSync(join(clone, 'vmlinuz'), bzImage());
  writeFileSync(join(root, 'host'), secret.padEnd(65536, '\n'));
  return { clone, folders: { cacheDir: join(root, 'cache'), recipesDir: '/nonexistent' }, host: join(root, 'host') };
}

/** A plan and, with the digest that it had for sound files, an apply: both have to refuse. */
async function refused(t: Test, disk: string, why: RegExp): Promise<void> {
  const { clone, folders } = place(t);
  const source = { type: 'files', kernel: join(clone, 'vmlinuz'), disk } as const;
  await t.rejects(imageDigest(source, folders), { code: 'SBX7006', message: why }, `planned: ${why}`);
  await t.rejects(ensureImage(source, { ...folders, digest: 'd'.repeat(64) }), { code: 'SBX7006', message: why });
  t.notOk(
    readdirSync(join(folders.cacheDir, 'images')).some((name) => !name.endsWith('.lock')),
    'nothing is left',
  );
}

const haveQemuImg = (await tryRun(['qemu-img', '--version']).catch(() => undefined))?.code === 0;
const needsQemuImg = { skip: haveQemuImg ? false : 'qemu-img is not on this host' } as const;

t.test('an image of qemu-img that has its data in another file, or another file below it', needsQemuImg, async (t) => {
  const { clone, host } = place(t);
  const create = async (name: string, ...options: readonly string[]): Promise<string> => {
    const path = join(clone, name);
    const made = await tryRun(['qemu-img', 'create', '-q', '-f', 'qcow2', ...options, path, '64K']);
    t.equal(made.code, 0, name, made);
    writeFileSync(host, secret.padEnd(65536, '\n'));
    return path;
  };
  const dataFile = await create('data.qcow2', '-o', `data_file=${host},data_file_raw=on`);
  const shown = await tryRun(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', dataFile, join(clone, 'out')]);
  t.equal(shown.code, 0);
  t.match(readFileSync(join(clone, 'out'), 'utf8'), secret, 'this is what such an image does');
  await refused(t, dataFile, /keeps its data in another file/);
  await refused(t, await create('raw-off.qcow2', '-o', `data_file=${host},data_file_raw=off`), /in another file/);
  await refused(t, await create('overlay.qcow2', '-b', host, '-F', 'raw'), /overlay/);
  await refused(t, await create('nbd.qcow2', '-u', '-b', 'nbd:127.0.0.1:1', '-F', 'raw'), /overlay/);
  await refused(
    t,
    await create('nowhere.qcow2', '-u', '-b', 'json:{"driver":"file","filename":"/etc/shadow"}', '-F', 'raw'),
    /overlay/,
  );
  const luks = [
    '--object',
    'secret,id=s,data=abc',
    '-o',
    'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10',
  ];
  await refused(t, await create('luks.qcow2', ...luks), /encrypted/);
  await refused(t, await create('wide.qcow2', '-o', 'extended_l2=on,cluster_size=128k'), /extended cluster/);
});

const bad: readonly (readonly [fields: Qcow2Fields, why: RegExp])[] = [
  [{ incompatible: 4n }, /in another file/],
  [{ autoclear: 2n }, /in another file/],
  [{ extensions: [[0x44415441, '/etc/shadow']] }, /names another file/],
  [
    {
      extensions: [
        [0x6803f857, 'x'.repeat(48)],
        [0x44415441, '/etc/shadow'],
      ],
    },
    /names another file/,
  ],
  [{ extensions: [[0xe2792aca, 'raw']] }, /overlay/],
  [{ extensions: [[0x0537be77, 'x'.repeat(16)]] }, /encrypted/],
  [{ backingOffset: 512n }, /overlay/],
  [{ version: 2, backingOffset: 512n }, /overlay/],
  [{ crypt: 1 }, /encrypted/],
  [{ crypt: 2 }, /encrypted/],
  [{ incompatible: 2n }, /damaged/],
  [{ incompatible: 32n }, /features/],
  [{ incompatible: 1n << 63n }, /features/],
  [{ version: 4 }, /version 4/],
  [{ clusterBits: 40 }, /clusters of 2\^40/],
  [{ clusterBits: 8 }, /clusters/],
  [{ sizeBytes: 4n * 2n ** 60n }, /disk of 4611686018427387904 bytes/],
  [{ sizeBytes: 2n ** 64n - 1n }, /disk of/],
  [{ headerLength: 90 }, /header of 90/],
  [{ headerLength: 2 ** 31 }, /header of/],
  [{ tableEntries: 2 ** 31 }, /table/],
  [{ tableOffset: 2n ** 40n }, /outside of itself/],
  [{ sizeBytes: 2n ** 40n }, /too short/],
];

t.test('headers that are not those of one plain image', async (t) => {
  const { clone } = place(t);
  const path = join(clone, 'disk');
  for (const [fields, why] of bad) {
    writeFileSync(path, qcow2(fields));
    await refused(t, path, why);
  }
  writeFileSync(path, qcow2().subarray(0, 60));
  await refused(t, path, /cut off/);
  for (const magic of [
    'vhdxfile',
    'conectix',
    'KDMV',
    '# Disk DescriptorFile\nRW 8 FLAT "/etc/shadow" 0',
    'QED\0',
    'LUKS\u00ba\u00be',
  ]) {
    writeFileSync(path, Buffer.from(magic.padEnd(4096, '\0'), 'latin1'));
    await refused(t, path, /a disk is raw or qcow2/);
  }
});

t.test('kernels: a bzImage or an ELF file with a PVH entry, and nothing else', async (t) => {
  const { clone, folders } = place(t);
  const kernel = join(clone, 'vmlinuz');
  const source = { type: 'files', kernel } as const;
  for (const sound of [bzImage(), bzImage(0x206), elfKernel()]) {
    writeFileSync(kernel, sound);
    const { digest } = await imageDigest(source, folders);
    t.equal((await ensureImage(source, { ...folders, digest })).cacheKey, digest);
  }
  const both = elfKernel();
  const polyglot = Buffer.concat([both, bzImage().subarray(both.length)]);
  const unsound: readonly (readonly [Buffer, RegExp])[] = [
    [withMultiboot(elfKernel()), /multiboot/],
    [withMultiboot(Buffer.from('x')), /multiboot/],
    [withMultiboot(elfKernel(), 8180), /multiboot/],
    [withMultiboot(bzImage(), 0x300), /multiboot/],
    [polyglot, /at once/],
    [elfKernel({ type: 17 }), /without a PVH entry/],
    [elfKernel({ name: 'GNU\0' }), /without a PVH entry/],
    [bzImage(0x205), /before 2\.06/],
    [Buffer.from('#!/bin/sh\n'), /neither/],
    [Buffer.alloc(0), /neither/],
    [elfKernel().subarray(0, 70), /without a PVH entry/],
  ];
  for (const [content, why] of unsound) {
    writeFileSync(kernel, content);
    await t.rejects(imageDigest(source, folders), { code: 'SBX7006', message: why }, String(why));
    await t.rejects(ensureImage(source, { ...folders, digest: 'd'.repeat(64) }), { code: 'SBX7006', message: why });
  }
});

t.test('a file that is swapped after it was looked at is not used', async (t) => {
  const { clone, folders, host } = place(t);
  const kernel = join(clone, 'vmlinuz');
  const disk = join(clone, 'sub/disk');
  mkdirSync(join(clone, 'sub'));
  writeFileSync(disk, Buffer.alloc(MiB, 'd'));
  const source = { type: 'files', kernel, disk } as const;
  const planned = await imageDigest(source, folders);
  const apply = () => ensureImage(source, { ...folders, digest: planned.digest });
  const swaps: Readonly<Record<string, () => void>> = {
    'another content': () => writeFileSync(disk, Buffer.alloc(MiB, 'e')),
    'a link': () => {
      rmSync(disk);
      symlinkSync(host, disk);
    },
    'a folder on the way that is a link': () => {
      renameSync(join(clone, 'sub'), join(clone, 'before'));
      mkdirSync(join(clone, '../outside'));
      writeFileSync(join(clone, '../outside/disk'), secret);
      symlinkSync('../outside', join(clone, 'sub'));
    },
  };
  for (const [name, swap] of Object.entries(swaps)) {
    swap();
    await t.rejects(apply(), { code: /SBX700[69]/ }, name);
    // The very next plan does not read through it either.
    if (name !== 'another content') await t.rejects(imageDigest(source, folders), { code: 'SBX7006' }, name);
  }
  rmSync(join(clone, 'sub'));
  renameSync(join(clone, 'before'), join(clone, 'sub'));
  rmSync(disk);
  writeFileSync(disk, Buffer.alloc(MiB, 'd'));
  const image = await apply();
  t.ok(image.disk?.path.startsWith(folders.cacheDir));
  t.ok(image.kernel.startsWith(folders.cacheDir));
  writeFileSync(disk, Buffer.alloc(MiB, 'e'));
  rmSync(kernel);
  t.strictSame(await apply(), image, 'what was taken serves as long as it is there');
  t.equal(readFileSync(image.disk?.path ?? '')[0], 'd'.charCodeAt(0));
  t.equal(statSync(image.kernel).mode & 0o777, 0o400);
});

t.test('a comma, a quote or an option in a name reaches nobody', async (t) => {
  const { clone, folders } = place(t);
  mkdirSync(join(clone, 'x,'));
  const initrd = join(clone, 'x,', 'shadow');
  const odd = join(clone, '--disk,path=y"[a] b');
  writeFileSync(initrd, 'initrd');
  writeFileSync(odd, Buffer.alloc(MiB));
  const source = { type: 'files', kernel: join(clone, 'vmlinuz'), initrd, disk: odd } as const;
  const { digest } = await imageDigest(source, folders);
  const image = await ensureImage(source, { ...folders, digest });
  const given = [image.kernel, image.initrd, image.disk?.path].map((path) => path?.slice(folders.cacheDir.length));
  t.strictSame(
    given,
    ['kernel', 'initrd', 'root.img'].map((name) => `/images/${digest.slice(0, 32)}/${name}`),
  );
});

t.test('size is looked at before a byte is read, and what is packed is counted', async (t) => {
  const { clone, folders } = place(t);
  const kernel = join(clone, 'vmlinuz');
  const disk = join(clone, 'disk');
  const source = { type: 'files', kernel, disk } as const;
  writeFileSync(disk, '');
  truncateSync(disk, 5 * 2 ** 40);
  await t.rejects(imageDigest(source, folders), { code: 'SBX7006', message: /5\.0? ?TiB|5 TiB/, hint: /qcow2/ });
  truncateSync(disk, MiB);
  truncateSync(kernel, 900 * 2 ** 30);
  await t.rejects(imageDigest(source, folders), { code: 'SBX7006', message: /900 GiB.*at most 1 GiB/ });
  writeFileSync(kernel, bzImage());
  // One full table that stands for all of 64 GiB: 256 KiB of file.
  writeFileSync(disk, qcow2({ sizeBytes: 64n * 2n ** 30n, tableEntries: 128, full: 128 }));
  t.match(await imageDigest(source, folders), {
    diskBytes: 64 * 2 ** 30,
    diskUsedBytes: 64 * 2 ** 30,
    diskPackedBytes: 256 * 1024,
  });
  writeFileSync(disk, qcow2({ sizeBytes: 64n * 2n ** 30n, tableEntries: 128, full: 1 }));
  t.match(await imageDigest(source, folders), { diskUsedBytes: 512 * MiB });
});

t.test('a long reading says how far it is, and ends when it is told to', async (t) => {
  const { clone, folders } = place(t);
  const disk = join(clone, 'disk');
  writeFileSync(disk, '');
  truncateSync(disk, 200 * 2 ** 30);
  const source = { type: 'files', kernel: join(clone, 'vmlinuz'), disk } as const;
  const ways: readonly ((options: ReadOptions) => Promise<unknown>)[] = [
    (options) => imageDigest(source, { ...folders, ...options }),
    (options) => ensureImage(source, { ...folders, digest: 'd'.repeat(64), ...options } as EnsureOptions),
  ];
  for (const way of ways) {
    const abort = new AbortController();
    const said: string[] = [];
    const onProgress = (text: string): void => {
      said.push(text);
      if (text.startsWith('reading')) abort.abort(new SbxError('SBX3170', 'interrupted'));
    };
    await t.rejects(way({ onProgress, signal: abort.signal }), { code: 'SBX3170' });
    t.match(said.at(-1), /^reading its disk, .* of 200 GiB$/);
  }
  t.notOk(existsSync(join(folders.cacheDir, 'images', 'd'.repeat(32))));
});

t.test('what a killed run left of any image goes with the next one that is taken', async (t) => {
  const { clone, folders } = place(t);
  const source = { type: 'files', kernel: join(clone, 'vmlinuz') } as const;
  const images = join(folders.cacheDir, 'images');
  const [abandoned, busy] = ['a'.repeat(32), 'b'.repeat(32)];
  for (const name of [abandoned, busy]) mkdirSync(join(images, `${name}.new-x1y2z3`), { recursive: true });
  const { digest } = await imageDigest(source, folders);
  await withFileLock(join(images, `.${busy}.lock`), () => ensureImage(source, { ...folders, digest }), {
    timeoutMs: 10_000,
  });
  const left = readdirSync(images).filter((name) => !name.startsWith('.'));
  t.strictSame(left.sort(), [digest.slice(0, 32), `${busy}.new-x1y2z3`].sort());
});

t.test('a plain packed image becomes a disk, whole', needsQemuImg, async (t) => {
  const { clone, folders } = place(t);
  const [raw, disk] = [join(clone, 'raw'), join(clone, 'disk')];
  writeFileSync(raw, Buffer.concat([Buffer.alloc(MiB, 'a'), Buffer.alloc(7 * MiB)]));
  for (const options of [['-c'], [], ['-o', 'compat=0.10'], ['-o', 'compression_type=zstd', '-c']]) {
    const made = await tryRun(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', ...options, raw, disk]);
    t.equal(made.code, 0, options.join(' '), made);
    const source = { type: 'files', kernel: join(clone, 'vmlinuz'), disk } as const;
    const found = await imageDigest(source, folders);
    t.match(found, { diskBytes: 8 * MiB, diskUsedBytes: MiB, cached: false }, options.join(' '));
    const image = await ensureImage(source, { ...folders, digest: found.digest });
    t.match(image.disk, { format: 'qcow2', sizeBytes: 8 * MiB });
    t.match(await imageDigest(source, folders), { cached: true, takesBytes: undefined });
    if (image.disk === undefined) return;
    rmSync(join(clone, 'vm'), { force: true });
    const { path } = await createDisk(join(clone, 'vm'), { type: 'image', disk: image.disk }, undefined);
    t.ok(readFileSync(path).equals(readFileSync(raw)), 'what was packed');
  }
});
