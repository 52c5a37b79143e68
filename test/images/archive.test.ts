// The pure parts of a build: trees, cpio archives, ELF files and the tables of modules.
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { tryRun } from '../../src/host/exec.ts';
import { cpioArchive } from '../../src/images/cpio.ts';
import { interpreterOf, isElf, moduleInfo, neededLibraries } from '../../src/images/elf.ts';
import { bzImagePayload } from '../../src/images/kernel.ts';
import { type KernelModule, moduleTree } from '../../src/images/modules.ts';
import { completeTree, type TreeEntry } from '../../src/images/tree.ts';

const tree: readonly TreeEntry[] = [
  { type: 'file', path: '/usr/bin/odd name', mode: 0o755, content: Buffer.from('12345') },
  { type: 'link', path: '/bin', target: 'usr/bin' },
  { type: 'folder', path: '/usr', mode: 0o700 },
  { type: 'file', path: '/empty', mode: 0o600, content: Buffer.alloc(0) },
];

t.test('a tree gets its missing parents, before their children, and keeps given ones', async (t) => {
  const complete = completeTree(tree);
  t.strictSame(
    complete.map(({ path }) => path),
    ['/bin', '/empty', '/usr', '/usr/bin', '/usr/bin/odd name'],
  );
  t.match(complete[2], { type: 'folder', mode: 0o700 });
  t.strictSame(completeTree([...tree].reverse()), complete);
});

t.test('cpio reads an archive, and equal trees give equal bytes', async (t) => {
  const archive = cpioArchive(completeTree(tree));
  t.ok(Buffer.from(archive).equals(cpioArchive(completeTree([...tree].reverse()))));
  t.equal(archive.length % 512, 0);
  if ((await tryRun(['cpio', '--version']).catch(() => undefined)) === undefined)
    return t.comment('cpio is not on this host');
  const folder = mkdtempSync(join(tmpdir(), 'sbx-cpio-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'a.cpio'), archive);
  const { code } = await tryRun(['cpio', '-idm', '--quiet', '--no-absolute-filenames', '-F', 'a.cpio'], {
    cwd: folder,
  });
  t.equal(code, 0);
  t.equal(readFileSync(join(folder, 'usr/bin/odd name'), 'utf8'), '12345');
  t.equal(statSync(join(folder, 'usr/bin/odd name')).mode & 0o777, 0o755);
  t.equal(statSync(join(folder, 'usr/bin/odd name')).mtimeMs, 0);
  t.equal(readlinkSync(join(folder, 'bin')), 'usr/bin');
});

t.test('a program names its loader and libraries; what is no ELF file has none', async (t) => {
  const program = readFileSync(process.execPath);
  t.ok(isElf(program));
  t.ok(neededLibraries(program).some((name) => name.startsWith('libc.so')));
  t.match(interpreterOf(program), /ld-linux|ld-musl/);
  for (const bytes of [Buffer.alloc(0), Buffer.from('#!/bin/sh\n'), program.subarray(0, 100)]) {
    t.strictSame(neededLibraries(bytes), []);
    t.equal(interpreterOf(bytes), undefined);
    t.equal(moduleInfo(bytes).size, 0);
  }
});

const module = (name: string, depends: readonly string[], aliases: readonly string[] = []): KernelModule => ({
  name,
  path: `kernel/${name}.ko`,
  content: Buffer.from(name),
  depends,
  aliases,
});

t.test('modprobe gets every dependency once, deepest last', async (t) => {
  const modules = [
    module('net', ['ring', 'core']),
    module('ring', ['core']),
    module('core', []),
    module('a', ['gone'], ['virtio:d1v*']),
  ];
  const text = (name: string): string => {
    const entry = moduleTree('6.1', modules).find(({ path }) => path === `/lib/modules/6.1/${name}`);
    return entry?.type === 'file' ? Buffer.from(entry.content).toString() : '';
  };
  t.equal(
    text('modules.dep'),
    'kernel/net.ko: kernel/ring.ko kernel/core.ko\nkernel/ring.ko: kernel/core.ko\nkernel/core.ko:\nkernel/a.ko:\n',
  );
  t.equal(text('modules.alias'), 'alias virtio:d1v* a\n');
});

t.test('the payload of a bzImage is found by its header', async (t) => {
  const image = Buffer.alloc(4096);
  image[0x1f1] = 1;
  image.write('HdrS', 0x202);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt32LE(100, 0x248);
  image.writeUInt32LE(64, 0x24c);
  image.write('\xfd7zXZ\0', 1024 + 100, 'latin1');
  t.equal(bzImagePayload(image)?.compression, 'xz');
  t.equal(bzImagePayload(image)?.bytes.length, 64);
  image[1024 + 100] = 0;
  t.equal(bzImagePayload(image), undefined, 'a wrapper that is not known');
  t.equal(bzImagePayload(Buffer.alloc(100)), undefined);
});
