// Images of a cloned repository, from the command line on: hostile ones are refused by the plan, sound ones are taken under
// names of ours, and what is taken goes when nobody uses it.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { elfKernel, qcow2, withMultiboot } from '../support/image-files.ts';
import { makeProgramHost, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);

const file = (image: string, more = '') => `version: 1
name: shop
images: { base: { ${image} } }
vms:
  a: { image: base, cpus: 1, memory: 256MiB, disks: { root: {} } ${more} }
`;
const plain = file('kernel: ./vmlinuz, disk: ./root.img');

/** Folders of images in the cache. */
function cached(host: ProgramHost): readonly string[] {
  const folder = join(host.home, 'cache/images');
  return existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith('.')) : [];
}

t.test('a plan refuses what an image must not be, and nothing is made', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  mkdirSync(join(host.folder, 'x,'));
  writeFileSync(join(host.folder, 'x'), 'initrd');
  writeFileSync(join(host.folder, 'x,/shadow'), 'initrd');
  writeFileSync(join(host.folder, 'multiboot'), withMultiboot(elfKernel()));
  writeFileSync(
    join(host.folder, 'data.qcow2'),
    qcow2({ extensions: [[0x44415441, '/etc/shadow']], incompatible: 4n }),
  );
  writeFileSync(join(host.folder, 'huge.qcow2'), qcow2({ sizeBytes: 2n ** 62n }));
  writeFileSync(join(host.folder, 'sparse'), '');
  truncateSync(join(host.folder, 'sparse'), 5 * 2 ** 40);
  const cases = [
    ['kernel: ./multiboot, initrd: "./x,/shadow", disk: ./root.img', /multiboot/],
    ['kernel: ./vmlinuz, disk: ./data.qcow2', /keeps its data in another file/],
    ['kernel: ./vmlinuz, disk: ./huge.qcow2', /4611686018427387904/],
    ['kernel: ./vmlinuz, disk: ./sparse', /5 TiB/],
    ['kernel: ./sparse, disk: ./root.img', /at most 1 GiB/],
  ] as const;
  for (const [image, why] of cases) {
    host.write(file(image));
    const ran = await host.sbx('apply', '--auto-approve');
    t.equal(ran.code, 1, image, ran);
    t.match(ran.stderr, why);
    t.match(ran.stderr, /SBX3120/);
    t.notMatch(ran.stderr, /SBX9/);
    t.strictSame([cached(host), host.leftovers()], [[], []]);
  }
});

t.test('what a VMM is given has names of ours', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  const odd = join(host.folder, 'a,b[path=c] "d');
  mkdirSync(odd);
  for (const name of ['vmlinuz', 'root.img']) renameSync(join(host.folder, name), join(odd, name));
  writeFileSync(join(odd, 'initrd'), 'initrd');
  const named = (name: string) => JSON.stringify(`./a,b[path=c] "d/${name}`);
  host.write(file(`kernel: ${named('vmlinuz')}, initrd: ${named('initrd')}, disk: ${named('root.img')}`));
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  t.strictSame(await host.changes(), []);
  const created = (await host.fake.calls()).find(({ action }) => action === 'vm.create');
  const { payload, disks } = JSON.parse(created?.body ?? '{}') as {
    payload: { kernel: string; initramfs: string };
    disks: { path: string }[];
  };
  const paths = [payload.kernel, payload.initramfs, ...disks.map(({ path }) => path)];
  t.ok(
    paths.every((path) => path.startsWith(host.home) && /^[\w/.@-]+$/.test(path)),
    paths.join(' '),
  );
  // The folder of the repository may go: what was taken is enough to boot again.
  rmSync(odd, { recursive: true });
  t.equal((await host.sbx('restart', 'a')).code, 0);
  t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
  t.strictSame([cached(host), host.leftovers()], [[], []], 'copies go with their last user');
});

t.test('another content is taken anew, and the former copy goes when its VM has', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  host.write(plain);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  const [first] = cached(host);
  t.equal((await host.sbx('apply', '--auto-approve', '--instance', 'two')).code, 0);
  writeFileSync(join(host.folder, 'root.img'), Buffer.alloc(2 ** 20, 's'));
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  t.strictSame(await host.changes(), []);
  t.equal(cached(host).length, 2, 'the other instance still boots from the first');
  t.equal((await host.sbx('destroy', '--auto-approve', '--instance', 'two')).code, 0);
  t.equal(cached(host).length, 1);
  t.notOk(cached(host).includes(first ?? ''));
  rmSync(join(host.home, 'cache'), { recursive: true });
  t.strictSame(await host.changes(), ['update image.base'], 'a lost copy is drift');
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  t.strictSame(await host.changes(), []);
});

t.test('a plan that reads long says so, and Ctrl-C ends it', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  truncateSync(join(host.folder, 'root.img'), 200 * 2 ** 30);
  host.write(plain);
  for (const command of [['plan'], ['apply', '--auto-approve'], ['plan', '--json']]) {
    const child = host.start(...command);
    let said = '';
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until('it says how far it is', () => /image\.base: reading its disk, .* of 200 GiB\n/.test(said));
    child.kill('SIGINT');
    const { stdout, code } = await child.ended;
    t.equal(stdout, '');
    t.not(code, 0);
    t.strictSame(host.leftovers(), []);
  }
});

t.test('a small file that becomes a large disk is told of', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  writeFileSync(join(host.folder, 'root.img'), qcow2({ sizeBytes: 2n ** 29n, full: 1 }));
  host.write(plain);
  const ran = await host.sbx('plan');
  t.equal(ran.code, 0, ran.stderr);
  t.match(ran.stderr, /SBX3117.*\n?.*256 KiB.*512 MiB/s);
});
