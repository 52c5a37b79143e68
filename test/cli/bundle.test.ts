import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = join(root, 'dist');
const example = join(root, 'examples/hello/sbx.yaml');
const skip = existsSync(join(dist, 'sbx.cjs')) ? false : 'dist/ is not built: npm run build';

/** A copy of dist/ that may be harmed. */
function copyOfDist(t: { teardown: (undo: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-dist-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, folder, { recursive: true });
  return folder;
}

function run(args: readonly string[], options: { folder?: string; input?: string } = {}) {
  const { PATH = '' } = process.env;
  return spawnSync(process.execPath, [...args], {
    encoding: 'utf8',
    env: { PATH, HOME: '/nonexistent' },
    timeout: 120_000,
    ...options,
  });
}

t.test('--version is that of package.json, and needs nothing but the launcher', { skip }, async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const folder = copyOfDist(t);
  for (const name of ['main.cjs', 'main.cache', 'ink.mjs', 'undici.cjs']) rmSync(join(folder, name));
  const ran = run([join(folder, 'sbx.cjs'), '--version']);
  t.match(ran, { status: 0, stdout: `${version}\n`, stderr: '' });
});

t.test('a Node that is too old is refused by name, before anything else is read', { skip }, async (t) => {
  const folder = copyOfDist(t);
  rmSync(join(folder, 'main.cjs'));
  for (const [node, refused] of [
    ['18.20.4', true],
    ['20.18.3', true],
    ['20.19.0', false],
    ['22.1.0', false],
  ] as const) {
    const pretend = join(folder, 'pretend.cjs');
    const versions = `{ ...process.versions, node: '${node}' }`;
    writeFileSync(pretend, `Object.defineProperty(process, 'versions', { value: ${versions} });`);
    const ran = run(['-r', pretend, join(folder, 'sbx.cjs'), 'plan']);
    t.equal(ran.status, 1);
    if (refused)
      t.match(ran.stderr, new RegExp(`^sbx needs Node 20\\.19 or newer; this is Node ${node.replaceAll('.', '\\.')}`));
    else t.notMatch(ran.stderr, /sbx needs Node/);
  }
});

t.test('without its code cache, or with one of another build, sbx runs all the same', { skip }, async (t) => {
  const cases: readonly { name: string; harm: (cache: string) => void }[] = [
    { name: 'as built', harm: () => undefined },
    { name: 'no cache', harm: (cache) => rmSync(cache) },
    { name: 'empty cache', harm: (cache) => writeFileSync(cache, '') },
    {
      name: 'cache of another build',
      harm: (cache) => writeFileSync(cache, `// 0${readFileSync(cache, 'latin1').slice(4)}`, 'latin1'),
    },
    { name: 'cut off cache', harm: (cache) => writeFileSync(cache, readFileSync(cache).subarray(0, 5000)) },
  ];
  for (const { name, harm } of cases) {
    const folder = copyOfDist(t);
    harm(join(folder, 'main.cache'));
    const ran = run([join(folder, 'sbx.cjs'), 'validate', '-f', example]);
    t.match(ran, { status: 0, stdout: /is valid/, stderr: '' }, name);
  }
});

t.test('an unknown command exits 64 without a stack', { skip }, async (t) => {
  const ran = run([join(dist, 'sbx.cjs'), 'aply']);
  t.equal(ran.status, 64);
  t.match(ran.stderr, /did you mean apply\?/);
  t.notMatch(ran.stderr, /\n\s+at /);
});

t.test('a reader that goes away ends sbx without a word', { skip }, async (t) => {
  const script = `"$0" "$1" --help | head -c 1; echo " \${PIPESTATUS[0]}"`;
  const ran = spawnSync('bash', ['-c', script, process.execPath, join(dist, 'sbx.cjs')], { encoding: 'utf8' });
  t.equal(ran.stderr, '');
  t.match(ran.stdout, /^U [01]\n$/);
});

t.test('the chunk that draws can be imported by itself', { skip }, async (t) => {
  const ran = run([
    '-e',
    `import(${JSON.stringify(join(dist, 'ink.mjs'))}).then((m) => console.log(Object.keys(m).sort().join()))`,
  ]);
  t.match(ran, { status: 0, stdout: 'Frame,makeInkView\n', stderr: '' });
});

t.test('the licences of all bundled libraries go along in what is packed', { skip }, async (t) => {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' });
  const [{ files }] = JSON.parse(packed.stdout) as [{ files: readonly { path: string }[] }];
  t.ok(files.some(({ path }) => path === 'dist/THIRD-PARTY.txt'));
  const text = readFileSync(join(dist, 'THIRD-PARTY.txt'), 'utf8');
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  // ajv only makes validators when sbx is built.
  for (const [name, version] of Object.entries(dependencies).filter(([name]) => name !== 'ajv'))
    t.match(text, new RegExp(`^${name} ${version.replaceAll('.', '\\.')} \\(.+\\)\n\n(?!It brings)\\S`, 'm'), name);
});
