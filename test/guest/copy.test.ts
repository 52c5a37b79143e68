// Copying with this host as the guest: the same scripts, run by the host's shell; and guests that send what they like.
import {
  chmodSync,
  existsSync,
  lstatSync,
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
import { copyIn, copyOut, type RunInGuest } from '../../src/guest/copy.ts';
import { streamCommand } from '../../src/guest/stream.ts';

const local: RunInGuest = (command) => streamCommand(command);

function temporary(t: { teardown: (undo: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-copy-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A guest whose tar is whatever this Python program writes. */
function hostile(program: string): RunInGuest {
  return () =>
    streamCommand([
      'python3',
      '-c',
      `import tarfile,sys,io\nout=tarfile.open(fileobj=sys.stdout.buffer,mode="w|")\n${program}\nout.close()`,
    ]);
}

t.test('files and folders go in and out under the names that cp would give them', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'src/sub'), { recursive: true });
  writeFileSync(join(folder, 'src/sub/-n o'), 'text');
  writeFileSync(join(folder, 'one'), 'first');
  chmodSync(join(folder, 'one'), 0o755);
  mkdirSync(join(folder, 'guest'));
  await copyIn(local, join(folder, 'src'), join(folder, 'guest'));
  t.equal(readFileSync(join(folder, 'guest/src/sub/-n o'), 'utf8'), 'text');
  await copyIn(local, join(folder, 'one'), join(folder, 'guest/two words'));
  t.equal(statSync(join(folder, 'guest/two words')).mode & 0o777, 0o755);
  t.match(await copyOut(local, join(folder, 'guest/two words'), join(folder, 'src')), {
    path: join(folder, 'src/two words'),
    skipped: [],
  });
  await copyOut(local, join(folder, 'guest/src'), join(folder, 'renamed'));
  t.equal(readFileSync(join(folder, 'renamed/sub/-n o'), 'utf8'), 'text');
  await t.rejects(copyIn(local, join(folder, 'none'), folder), { code: 'SBX8005', message: /none does not exist/ });
  await t.rejects(copyOut(local, join(folder, 'none'), folder), { code: 'SBX8005', message: /none/ });
  await t.rejects(copyOut(local, join(folder, 'guest/src'), join(folder, 'none/x')), { code: 'SBX8005' });
  await t.rejects(copyOut(local, '/', folder), { code: 'SBX8005' });
  t.strictSame(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
    'nothing is left over',
  );
});

t.test('a name that tar might take for an option, a host or a command is a name', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'guest'));
  const names = [
    '-rf',
    '--checkpoint-action=exec=touch x',
    '@a',
    'host:file',
    'a,b',
    '$(touch x)',
    '*',
    "it's",
    'a\nb',
  ];
  for (const name of names) {
    writeFileSync(join(folder, name), name);
    await copyIn(local, join(folder, name), join(folder, 'guest'));
    t.equal(readFileSync(join(folder, 'guest', name), 'utf8'), name);
    const { path } = await copyOut(local, join(folder, 'guest', name), join(folder, `out${names.indexOf(name)}`));
    t.equal(readFileSync(path, 'utf8'), name);
  }
  t.strictSame(readdirSync(join(folder, 'guest')).sort(), [...names].sort(), 'and nothing else came about');
  t.notOk(readdirSync(folder).includes('x'));
});

t.test('links that stay inside come along, others and devices are left out and named', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'd/sub'), { recursive: true });
  writeFileSync(join(folder, 'd/file'), 'x');
  chmodSync(join(folder, 'd/file'), 0o4755);
  symlinkSync('../file', join(folder, 'd/sub/good'));
  symlinkSync('/etc/passwd', join(folder, 'd/absolute'));
  symlinkSync('../../secret', join(folder, 'd/sub/out'));
  const { path, skipped } = await copyOut(local, join(folder, 'd'), join(folder, 'copy'));
  t.strictSame([...skipped].sort(), ['absolute', 'sub/out']);
  t.ok(lstatSync(join(path, 'sub/good')).isSymbolicLink());
  t.equal(statSync(join(path, 'file')).mode & 0o7777, 0o755, 'no set-user-ID');
});

const member = (name: string, rest = ''): string =>
  `m=tarfile.TarInfo(${JSON.stringify(name)}); ${rest}; out.addfile(m, io.BytesIO(b"evil"))`;

const attacks: Readonly<Record<string, string>> = {
  'a name with ..': member('./../escaped', 'm.size=4'),
  'an absolute name': member('ABS/escaped', 'm.size=4'),
  'a link to outside, then a file through it': `${member('./d/l', 'm.type=tarfile.SYMTYPE; m.linkname="OUT"')}\n${member('./d/l/escaped', 'm.size=4')}`,
  'a relative link to outside, then a file through it': `${member('./d/l', 'm.type=tarfile.SYMTYPE; m.linkname="../../.."')}\n${member('./d/l/escaped', 'm.size=4')}`,
  'a hard link to a file of the host': `${member('./d/h', 'm.type=tarfile.LNKTYPE; m.linkname="OUT/victim"')}`,
  'a link in place of the whole': member('./d', 'm.type=tarfile.SYMTYPE; m.linkname="OUT"'),
};

t.test('whatever a guest sends, nothing is written or read outside the copy', async (t) => {
  for (const [name, program] of Object.entries(attacks)) {
    const folder = temporary(t);
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    mkdirSync(join(folder, 'to'));
    writeFileSync(join(outside, 'victim'), 'precious');
    const run = hostile(program.replaceAll('OUT', outside).replaceAll('ABS', outside));
    const result = await copyOut(run, '/srv/d', join(folder, 'to')).catch((error: unknown) => error);
    t.notOk(existsSync(join(outside, 'escaped')), name);
    t.notOk(existsSync(join(folder, 'escaped')) || existsSync(join(folder, 'to/escaped')), name);
    t.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'precious');
    const copied = join(folder, 'to/d/h');
    t.notOk(existsSync(copied) && readFileSync(copied, 'utf8') === 'precious', `${name}: ${String(result)}`);
    t.notOk(existsSync(join(folder, 'to/d')) && lstatSync(join(folder, 'to/d')).isSymbolicLink());
  }
});
