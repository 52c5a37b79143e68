// Copying with this host as the guest: the same scripts, run by the host's shell; and guests that send what they like.
import { once } from 'node:events';
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
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { copyIn, copyOut, copySizeless, lookArgv, parseLook, type RunInGuest } from '../../src/guest/copy.ts';
import { streamCommand } from '../../src/guest/stream.ts';
import { run as runToEnd } from '../../src/host/exec.ts';

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

t.test('pipes, devices and sockets are named and never made, by whichever tar the guest has', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'd/sub'), { recursive: true });
  writeFileSync(join(folder, 'd/file'), 'x');
  await runToEnd(['mkfifo', join(folder, 'd/sub/pipe')]);
  const listener = createServer().listen(join(folder, 'd/socket'));
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  const busybox: RunInGuest = ([, ...words]) => streamCommand(['busybox', 'sh', ...words]);
  for (const [name, run] of Object.entries({ gnu: local, busybox })) {
    const { path, skipped } = await copyOut(run, join(folder, 'd'), join(folder, name));
    t.strictSame([...skipped].sort(), ['socket', 'sub/pipe'], name);
    t.strictSame(readdirSync(path, { recursive: true }).sort(), ['file', 'sub']);
  }
});

t.test('names are taken as they are', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'guest'));
  mkdirSync(join(folder, 'back'));
  const names = ['a\nb', '-n', '--help', 'end\n', '$(touch x)', 'back\\slash', '*', 'ü', 'a:b', ' '];
  for (const name of names) {
    writeFileSync(join(folder, name), name);
    await copyIn(local, join(folder, name), join(folder, 'guest'));
    await copyIn(local, join(folder, name), join(folder, 'guest', `to ${name}`));
    t.equal(readFileSync(join(folder, 'guest', name), 'utf8'), name, JSON.stringify(name));
    const { skipped } = await copyOut(local, join(folder, 'guest', `to ${name}`), join(folder, 'back'));
    t.equal(readFileSync(join(folder, 'back', `to ${name}`), 'utf8'), name);
    t.strictSame(skipped, []);
  }
  const { path } = await copyOut(local, join(folder, 'guest'), join(folder, 'all'));
  t.equal(readdirSync(path).length, 2 * names.length, 'a folder of them');
});

t.test('a link that is asked for by its name is followed', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'far/d'), { recursive: true });
  writeFileSync(join(folder, 'far/d/f'), 'text');
  symlinkSync(join(folder, 'far/d/f'), join(folder, 'file'));
  symlinkSync('far/d', join(folder, 'folder'));
  mkdirSync(join(folder, 'to'));
  t.strictSame((await copyOut(local, join(folder, 'file'), join(folder, 'to'))).skipped, []);
  t.equal(readFileSync(join(folder, 'to/file'), 'utf8'), 'text');
  t.notOk(lstatSync(join(folder, 'to/file')).isSymbolicLink());
  await copyOut(local, join(folder, 'folder'), join(folder, 'to'));
  t.equal(readFileSync(join(folder, 'to/folder/f'), 'utf8'), 'text');
});

t.test('a file that says it is empty is read all the same', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, 'empty'), '');
  t.equal(parseLook(await runToEnd(lookArgv('/proc/version'))), 'sizeless');
  mkdirSync(join(folder, 'to'));
  await copySizeless(local, '/proc/version', join(folder, 'to'));
  t.equal(readFileSync(join(folder, 'to/version'), 'utf8'), readFileSync('/proc/version', 'utf8'));
  await copySizeless(local, join(folder, 'empty'), join(folder, 'to/new'));
  t.equal(readFileSync(join(folder, 'to/new'), 'utf8'), '');
  await t.rejects(copySizeless(local, join(folder, 'none'), join(folder, 'to')), { code: 'SBX8005', message: /none/ });
  await t.rejects(copySizeless(local, '/proc/version', join(folder, 'no/x')), { code: 'SBX8005' });
  t.strictSame(readdirSync(join(folder, 'to')).sort(), ['new', 'version']);
});

t.test('a path of the guest is looked at before anything is sent', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, '-f'), 'x');
  symlinkSync('nowhere', join(folder, 'dangling'));
  const cases = {
    '': 'folder',
    '-f': 'file',
    dangling: 'file',
    new: 'parent',
    'none/new': 'nothing',
    '-f/x': 'nothing',
  };
  for (const [path, want] of Object.entries(cases))
    t.equal(parseLook(await runToEnd(lookArgv(join(folder, path)))), want, path);
  t.equal(parseLook('\u001b[6n'), undefined);
  t.equal(lookArgv('-rf').includes('./-rf'), true);
});

const member = (name: string, rest = ''): string =>
  `m=tarfile.TarInfo(${JSON.stringify(name)}); ${rest}; out.addfile(m, io.BytesIO(b"evil"))`;

const attacks: Readonly<Record<string, string>> = {
  'a name with ..': member('./../escaped', 'm.size=4'),
  'an absolute name': member('ABS/escaped', 'm.size=4'),
  'a link to outside, then a file through it': `${member('./d/l', 'm.type=tarfile.SYMTYPE; m.linkname="OUT"')}\n${member('./d/l/escaped', 'm.size=4')}`,
  'a relative link to outside, then a file through it': `${member('./d/l', 'm.type=tarfile.SYMTYPE; m.linkname="../../.."')}\n${member('./d/l/escaped', 'm.size=4')}`,
  'a hard link to a file of the host': `${member('./d/h', 'm.type=tarfile.LNKTYPE; m.linkname="OUT/victim"')}`,
  'a device': member('./d', 'm.type=tarfile.CHRTYPE; m.devmajor=1; m.devminor=1'),
  'a pipe in place of the whole': member('./d', 'm.type=tarfile.FIFOTYPE'),
  'a pax header with another path': `out.pax_headers={}; ${member('./d/f', 'm.size=4; m.pax_headers={"path":"../../escaped"}; out.format=tarfile.PAX_FORMAT')}`,
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

/** A guest that sends these bytes, or whatever this Python program writes, and ends well. */
const sends =
  (program: string): RunInGuest =>
  () =>
    streamCommand(['python3', '-c', `import sys,os,tarfile,io\nw=sys.stdout.buffer.write\n${program}`]);
const header = (name: string, rest: string): string =>
  `m=tarfile.TarInfo(${JSON.stringify(name)}); ${rest}; w(m.tobuf(tarfile.GNU_FORMAT))`;

const liars: Readonly<Record<string, readonly [program: string, message: RegExp]>> = {
  'words of a login script': ['w(b"Welcome!\\n"*100)', /no archive/],
  'nothing at all': ['pass', /sent no archive/],
  'half a file': [`${header('./d', 'm.size=1<<20')}; w(b"x"*4096)`, /breaks off/],
  'a file of 8 EiB': [`${header('./d', 'm.size=1<<63')}; w(b"x"*4096)`, /impossible size|breaks off/],
  'a file of a negative size': [`${header('./d', 'm.size=-1')}; w(b"x"*4096)`, /impossible size|no archive/],
  'a name of 100 kB': [header(`./d/${'n'.repeat(100_000)}`, 'm.size=0'), /too long/],
  'folders in folders without end': [header(`./d/${'n/'.repeat(2000)}`, 'm.type=tarfile.DIRTYPE'), /too long/],
  'a sum that is wrong': ['w(b"./d"+b"\\0"*97+b"1"*412)', /no archive/],
};

t.test('a stream that is no archive, breaks off or lies about sizes leaves nothing', async (t) => {
  for (const [name, [program, message]] of Object.entries(liars)) {
    const folder = temporary(t);
    await t.rejects(copyOut(sends(program), '/srv/d', join(folder, 'd')), { code: 'SBX8005', message }, name);
    t.strictSame(readdirSync(folder), [], `${name}: nothing is left`);
  }
});

t.test('what a guest says of its failure is told', async (t) => {
  const folder = temporary(t);
  const run = sends('sys.stderr.write("tar: read error\\n"); sys.exit(1)');
  await t.rejects(copyOut(run, '/srv/d', join(folder, 'd')), { code: 'SBX8005', message: /read error/ });
});
