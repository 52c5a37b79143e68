import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type ReadSourcesOptions, readSources } from '../../src/cli/read-sources.ts';
import { ok } from '../../src/core/checked.ts';
import { expand, noAllocations } from '../../src/core/expand/index.ts';
import { asNobody } from '../support/nobody.ts';

const plain = 'version: 1\nname: shop\n';

function folderFor(t: Test): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sbx-read-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const optionsFor = (cwd: string, given: Partial<ReadSourcesOptions> = {}): ReadSourcesOptions => ({
  files: [],
  cwd,
  vars: [],
  varFiles: [],
  environment: {},
  allowPaths: [],
  allowPublicPorts: false,
  ...given,
});

/** Codes of what reading and expanding found, or the outputs. */
async function outcome(cwd: string, given: Partial<ReadSourcesOptions> = {}): Promise<unknown> {
  const read = await readSources(optionsFor(cwd, given));
  if (!read.ok) return read.diagnostics.map(({ code }) => code);
  const desired = expand(read.value.document, { ...read.value.expandInputs, allocations: noAllocations });
  if (!desired.ok) return desired.diagnostics.map(({ code }) => code);
  return Object.fromEntries([...desired.value.outputs].map(([name, { value }]) => [name, value]));
}

t.test('sbx.yaml is found here or above', async (t) => {
  const folder = folderFor(t);
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  writeFileSync(join(folder, 'sbx.yaml'), plain);
  for (const cwd of [folder, join(folder, 'a'), join(folder, 'a/b')]) {
    const read = await readSources(optionsFor(cwd));
    t.match(read, { ok: true, value: { folder, files: [join(folder, 'sbx.yaml')] } });
  }
});

t.test('without a file it says where it looked', async (t) => {
  const folder = folderFor(t);
  t.match(await readSources(optionsFor(folder)), { ok: false, diagnostics: [{ code: 'SBX1002', hint: 'sbx init' }] });
});

t.test('what is no readable file of moderate size is a diagnostic, at once', async (t) => {
  const folder = folderFor(t);
  const at = (name: string) => join(folder, name);
  mkdirSync(at('folder'));
  spawnSync('mkfifo', [at('pipe')]);
  symlinkSync('loop', at('loop'));
  writeFileSync(at('large'), '');
  truncateSync(at('large'), 2 ** 40);
  writeFileSync(at('latin'), Buffer.from([0x76, 0xe9, 0xff]));
  writeFileSync(at('utf16'), Buffer.from(`\ufeff${plain}`, 'utf16le'));
  const cases: readonly (readonly [string, string])[] = [
    ['folder', 'SBX1001'],
    ['pipe', 'SBX1001'],
    ['/dev/zero', 'SBX1001'],
    ['/dev/null', 'SBX1001'],
    ['loop', 'SBX1001'],
    ['missing', 'SBX1001'],
    ['large', 'SBX1003'],
    ['latin', 'SBX1005'],
    ['utf16', 'SBX1005'],
  ];
  for (const [name, code] of cases) {
    t.strictSame(await outcome(folder, { files: [name] }), [code], name);
  }
  const both = await outcome(folder, { files: ['folder', 'missing'] });
  t.strictSame(both, ['SBX1001', 'SBX1001'], 'all of them together');
});

t.test('a file without rights is a diagnostic', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'sbx.yaml');
  writeFileSync(path, plain);
  chmodSync(path, 0);
  t.strictSame(await asNobody([folder, path], () => outcome(folder)), ['SBX1001']);
});

t.test(
  'a file above that belongs to somebody else is not taken',
  { skip: process.getuid?.() === 0 ? false : 'needs root to give a file away' },
  async (t) => {
    const folder = folderFor(t);
    mkdirSync(join(folder, 'mine'));
    writeFileSync(join(folder, 'sbx.yaml'), plain);
    spawnSync('chown', ['12345', join(folder, 'sbx.yaml')]);
    t.strictSame(await outcome(join(folder, 'mine')), ['SBX1002']);
    t.strictSame(await outcome(join(folder, 'mine'), { files: ['../sbx.yaml'] }), {}, 'named it is');
  },
);

t.test('variables come from flags, files and the environment, and from nowhere else', async (t) => {
  const folder = folderFor(t);
  const declared = 'variables: { a: { default: d }, b: { default: d }, c: { default: d }, d: { default: d } }\n';
  writeFileSync(
    join(folder, 'sbx.yaml'),
    `${plain}${declared}outputs: { o: "\${var.a} \${var.b} \${var.c} \${var.d}" }\n`,
  );
  writeFileSync(join(folder, 'vars.yaml'), 'a: file\nb: file\n');
  const given = {
    vars: ['a=flag=1'],
    varFiles: ['vars.yaml'],
    environment: { SBX_VAR_a: 'env', SBX_VAR_b: 'env', SBX_VAR_c: 'env', d: 'env', SBX_d: 'env' },
  };
  t.strictSame(await outcome(folder, given), { o: 'flag=1 file env d' });
  t.strictSame(await outcome(folder, { vars: ['oops'] }), ['SBX0001']);
  t.strictSame(await outcome(folder, { vars: ['none=1'] }), ['SBX2001']);
  t.strictSame(await outcome(folder, { instance: '../x' }), ['SBX0001']);
  t.strictSame(await outcome(folder, { varFiles: ['missing'] }), ['SBX1001']);
});

t.test('files that the sandbox file names lie in its folder or an allowed one', async (t) => {
  const folder = folderFor(t);
  const other = folderFor(t);
  writeFileSync(join(other, 'secret'), 'secret');
  writeFileSync(join(folder, 'seed.sql'), 'hello');
  mkdirSync(join(folder, 'deep'));
  symlinkSync('../seed.sql', join(folder, 'deep/inside'));
  symlinkSync(join(other, 'secret'), join(folder, 'outside'));
  symlinkSync(other, join(folder, 'elsewhere'));
  spawnSync('mkfifo', [join(folder, 'pipe')]);
  const read = async (path: string, given: Partial<ReadSourcesOptions> = {}) => {
    writeFileSync(join(folder, 'sbx.yaml'), `${plain}outputs: { o: '\${file.read("${path}")}' }\n`);
    return await outcome(folder, given);
  };
  t.strictSame(await read('seed.sql'), { o: 'hello' });
  t.strictSame(await read('./deep/../seed.sql'), { o: 'hello' });
  t.strictSame(await read('deep/inside'), { o: 'hello' });
  for (const path of ['outside', 'elsewhere/secret', '../x', '/etc/passwd', join(other, 'secret'), 'elsewhere/none'])
    t.strictSame(await read(path), ['SBX1004'], path);
  t.strictSame(await read('outside', { allowPaths: [other] }), { o: 'secret' });
  t.strictSame(await read('missing'), ['SBX1001']);
  t.strictSame(await read('pipe'), ['SBX1001']);
  t.strictSame(await read('deep'), ['SBX1001']);
});

t.test('files of images are held to the same folders', async (t) => {
  const folder = folderFor(t);
  symlinkSync('/etc/hostname', join(folder, 'link'));
  writeFileSync(join(folder, 'vmlinuz'), '');
  const image = async (path: string) => {
    writeFileSync(join(folder, 'sbx.yaml'), `${plain}images: { i: { kernel: "${path}" } }\n`);
    return await outcome(folder);
  };
  t.strictSame(await image('./vmlinuz'), {});
  t.strictSame(await image('not/there/yet'), {}, 'what is missing is said when the image is read');
  for (const path of ['link', '../vmlinuz', '/boot/vmlinuz', 'a/../../b'])
    t.strictSame(await image(path), ['SBX1004'], path);
});

t.test('the digest covers every source and every file that is read', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'sbx.yaml'), `${plain}outputs: { o: '\${file.sha256("seed")}' }\n`);
  writeFileSync(join(folder, 'more.yaml'), 'expires: 4h\n');
  const digest = async (...files: string[]) => {
    const read = await readSources(optionsFor(folder, { files }));
    return read.ok ? read.value.digest() : undefined;
  };
  writeFileSync(join(folder, 'seed'), 'one');
  const first = await digest('sbx.yaml');
  t.match(first, /^[0-9a-f]{64}$/);
  t.equal(await digest('sbx.yaml'), first);
  t.not(await digest('sbx.yaml', 'more.yaml'), first);
  writeFileSync(join(folder, 'seed'), 'two');
  t.not(await digest('sbx.yaml'), first);
});

t.test('a link does not take a file that is named, or found, out of its folder', async (t) => {
  const root = folderFor(t);
  const [clone, outside] = [join(root, 'clone'), join(root, 'outside')];
  for (const folder of [clone, outside, join(clone, 'sub'), join(clone, 'linked-to')]) mkdirSync(folder);
  writeFileSync(join(outside, 'secret.yaml'), `${plain}expires: 1h\n`);
  writeFileSync(join(outside, 'vars.yaml'), 'a: secret\n');
  writeFileSync(join(clone, 'own.yaml'), plain);
  writeFileSync(join(clone, 'linked-to/sbx.yaml'), plain);
  const link = (target: string, at: string) => symlinkSync(target, join(clone, at));
  link('../outside/secret.yaml', 'sbx.yaml');
  link(join(outside, 'secret.yaml'), 'whole.yaml');
  link('../outside', 'elsewhere');
  link('whole.yaml', 'chain.yaml');
  link('own.yaml', 'inside.yaml');
  link('../own.yaml', 'sub/up.yaml');
  link('linked-to', 'folder');
  link('/dev/zero', 'zero.yaml');
  link('/proc/self/environ', 'environ.yaml');
  const cases: readonly (readonly [files: readonly string[], cwd: string, want: unknown])[] = [
    [[], clone, ['SBX1004']],
    [[], join(clone, 'sub'), ['SBX1004']],
    [['sbx.yaml'], clone, ['SBX1004']],
    [['whole.yaml'], clone, ['SBX1004']],
    [['chain.yaml'], clone, ['SBX1004']],
    [['elsewhere/secret.yaml'], clone, ['SBX1004']],
    [['zero.yaml'], clone, ['SBX1004']],
    [['environ.yaml'], clone, ['SBX1004']],
    [['own.yaml', 'whole.yaml'], clone, ['SBX1004']],
    [[join(clone, 'whole.yaml')], clone, ['SBX1004']],
    [[join(clone, 'whole.yaml')], outside, ['SBX1004']],
    [['../clone/sbx.yaml'], outside, ['SBX1004']],
    [['inside.yaml'], clone, {}],
    [['folder/sbx.yaml'], clone, {}],
    [['sub/up.yaml'], clone, {}],
    [['../outside/secret.yaml'], clone, {}],
    [[join(clone, 'inside.yaml')], outside, {}],
    [['none.yaml'], clone, ['SBX1001']],
  ];
  for (const [files, cwd, want] of cases) t.strictSame(await outcome(cwd, { files }), want, `${files} in ${cwd}`);
  t.strictSame(await outcome(clone, { files: ['whole.yaml'], allowPaths: [outside] }), {}, 'allowed');
  link('../outside/vars.yaml', 'vars.yaml');
  const declared = `${plain}variables: { a: {} }\noutputs: { o: "\${var.a}" }\n`;
  writeFileSync(join(clone, 'own.yaml'), declared);
  t.strictSame(await outcome(clone, { files: ['own.yaml'], varFiles: ['vars.yaml'] }), ['SBX1004']);
  t.strictSame(await outcome(clone, { files: ['own.yaml'], varFiles: ['../outside/vars.yaml'] }), { o: 'secret' });
});

t.test('a link that leads nowhere is said, and no file above it is taken instead', async (t) => {
  const folder = folderFor(t);
  mkdirSync(join(folder, 'a'));
  writeFileSync(join(folder, 'sbx.yaml'), plain);
  symlinkSync('gone.yaml', join(folder, 'a/sbx.yaml'));
  t.strictSame(await outcome(join(folder, 'a')), ['SBX1001']);
});

t.test('standard input is a file of the working directory', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'greeting'), 'hello');
  writeFileSync(join(folder, 'more.yaml'), 'outputs: { more: "1" }\n');
  let reads = 0;
  const stdin = async () => {
    reads += 1;
    return ok(`${plain}outputs: { o: '\${file.read("greeting")}' }\n`);
  };
  t.strictSame(await outcome(folder, { files: ['-'], stdin }), { o: 'hello' });
  t.strictSame(await outcome(folder, { files: ['-', 'more.yaml'], stdin }), { o: 'hello', more: '1' });
  const read = await readSources(optionsFor(folder, { files: ['-'], stdin }));
  t.match(read, { ok: true, value: { folder, files: ['-'] } });
  t.equal(reads, 3);
  t.strictSame(await outcome(folder, { files: ['-', '-'], stdin }), ['SBX0001']);
  t.strictSame(await outcome(folder, { files: ['-'], varFiles: ['-'], stdin }), ['SBX0001']);
  const bad = await readSources(optionsFor(folder, { files: ['-'], stdin: async () => ok(`${plain}vmz: {}\n`) }));
  t.match(bad, { ok: false, diagnostics: [{ code: 'SBX1201', place: { file: 'standard input', line: 3 } }] });
  const outside = `${plain}outputs: { o: '\${file.read("../x")}' }\n`;
  t.strictSame(await outcome(folder, { files: ['-'], stdin: async () => ok(outside) }), ['SBX1004']);
});
