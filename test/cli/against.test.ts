// plan --against over real git repositories: what a pull request shows.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { GlobalOptions, PlanRequest } from '../../src/cli/services.ts';
import { createServices } from '../../src/cli/wire.ts';
import { sbx as program, type Ran } from '../support/cli.ts';
import { bzImage } from '../support/image-files.ts';
import { outputValidator } from '../support/output-schema.ts';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
const installation = {
  program: join(source, 'main.ts'),
  holderScript: join(source, 'host/holder.sh'),
  connectProbe: join(source, 'guest/connect-probe.ts'),
  kvmFirmware: '/nonexistent',
  recipesDir: join(source, '../images'),
};
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const loader = fileURLToPath(import.meta.resolve('tsx'));
const git = execFileSync('which', ['git'], { encoding: 'utf8' }).trim();

const shop = `version: 1
name: shop
images:
  own: { kernel: ./boot/vmlinuz, disk: ./root.img }
networks:
  lan: {}
vms:
  web:
    image: own
    cpus: { count: 1, max: 4 }
    networks: { lan: { ports: ["auto:80"] } }
    env: { GREETING: "\${file.read('greeting.txt')}" }
  db:
    image: own
    networks: { lan: {} }
`;

interface Repository {
  readonly folder: string;
  readonly home: string;
  readonly write: (files: Readonly<Record<string, string | Buffer | undefined>>) => void;
  readonly commit: (name: string) => void;
  readonly sbx: (args: readonly string[], cwd?: string) => Promise<Ran>;
  /** As a process of its own with nothing but git on its PATH */
  readonly alone: (args: readonly string[]) => { readonly code: number | null; readonly stdout: string };
}

/** A repository, and sbx in it. */
function repository(t: Test): Repository {
  const root = mkdtempSync('/tmp/sbx-ag-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const [folder, home, bin] = [join(root, 'repo'), join(root, 'home'), join(root, 'bin')];
  mkdirSync(folder);
  mkdirSync(bin);
  symlinkSync(git, join(bin, 'git'));
  const env = { PATH: bin, HOME: join(root, 'nobody'), GIT_CONFIG_NOSYSTEM: '1' };
  const run = (...args: readonly string[]): void => {
    execFileSync(git, ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      env,
      stdio: 'pipe',
    });
  };
  run('init', '-q', '-b', 'main');
  const write: Repository['write'] = (files) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      if (text === undefined) rmSync(join(folder, path));
      else writeFileSync(join(folder, path), text);
    }
  };
  const commit = (name: string): void => {
    run('add', '-A');
    run('commit', '-q', '--allow-empty', '-m', name);
    run('tag', name);
  };
  const sbx: Repository['sbx'] = async (args, cwd = folder) => {
    let options: GlobalOptions | undefined;
    const services = {
      plan: async (request: PlanRequest) => {
        if (options === undefined) throw new TypeError('options come before services');
        return await createServices(options, { environment: env, installation }).plan(request);
      },
    };
    const given = (found: GlobalOptions): void => {
      options = found;
    };
    return await program(['--home', home, ...args], { services, env, cwd, options: given });
  };
  const alone: Repository['alone'] = (args) => {
    const code = `import(${JSON.stringify(main)}).then((sbx) => sbx.main(process))`;
    const argv = ['--import', loader, '--input-type=module', '-e', code, '--', main, '--home', home, ...args];
    const { status, stdout } = spawnSync(process.execPath, argv, {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: 300_000,
    });
    return { code: status, stdout };
  };
  return { folder, home, write, commit, sbx, alone };
}

function firstCommit(t: Test): Repository {
  const repo = repository(t);
  repo.write({ 'sbx.yaml': shop, 'boot/vmlinuz': bzImage(), 'root.img': 'disk', 'greeting.txt': 'hello' });
  repo.commit('one');
  return repo;
}

/** Changes of a plan in lines: `update vm.web live: cpus.count`. */
async function changesOf(repo: Repository, args: readonly string[], cwd?: string): Promise<readonly string[]> {
  const ran = await repo.sbx(['plan', '--json', ...args], cwd);
  if (ran.code !== 0) throw new TypeError(`exit ${ran.code}: ${ran.stderr}`);
  const { changes } = JSON.parse(ran.stdout) as { changes: readonly Record<string, unknown>[] };
  return changes.map(({ action, address, fields = [] }) =>
    [
      action,
      address,
      ...(action === 'create'
        ? []
        : (fields as { field: string; impact: string }[]).map(({ field, impact }) => `${field} ${impact}`)),
    ].join(' '),
  );
}

t.test('with git alone on the PATH: no changes in an unchanged file, and no home is made', async (t) => {
  const repo = firstCommit(t);
  const ran = repo.alone(['plan', '--against', 'git:HEAD']);
  t.equal(ran.code, 0);
  t.match(ran.stdout, /No changes\./);
  t.notOk(existsSync(repo.home));
  t.strictSame(readdirSync(repo.folder).sort(), ['.git', 'boot', 'greeting.txt', 'root.img', 'sbx.yaml']);
});

t.test('changes have their impact; what sbx chose stays', async (t) => {
  const repo = firstCommit(t);
  repo.write({
    'sbx.yaml': shop
      .replace('count: 1', 'count: 2')
      .replace('vms:\n', 'vms:\n  a: { image: own, networks: { lan: {} } }\n'),
  });
  t.strictSame(await changesOf(repo, ['--against', 'git:one']), ['create vm.a', 'update vm.web cpus.count live']);
});

t.test('files that are read, and files of images, count as they were then', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'greeting.txt': 'good morning' });
  t.strictSame(await changesOf(repo, ['--against', 'git:one']), ['update vm.web env.GREETING restart']);
  repo.write({ 'greeting.txt': 'hello', 'root.img': 'new disk' });
  t.strictSame(await changesOf(repo, ['--against', 'git:one']), [
    'update image.own digest live',
    'replace vm.web image.digest replace',
    'replace vm.db image.digest replace',
  ]);
  repo.commit('two');
  t.strictSame(await changesOf(repo, ['--against', 'git:HEAD']), []);
});

t.test('files of images that the repository does not hold count as unchanged', async (t) => {
  const repo = firstCommit(t);
  repo.write({ '.gitignore': 'root.img\n', 'root.img': undefined });
  repo.commit('without');
  t.strictSame(await changesOf(repo, ['--against', 'git:without']), [], 'not here either');
  repo.write({ 'root.img': 'disk' });
  t.strictSame(await changesOf(repo, ['--against', 'git:without']), [], 'here, and ignored by git');
});

t.test('a file that the revision does not have yet is all new', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'extra/sbx.yaml': 'version: 1\nname: extra\nvolumes: { a: { size: 1GiB } }\n' });
  t.strictSame(await changesOf(repo, ['-f', 'extra/sbx.yaml', '--against', 'git:one']), [
    'create sandbox',
    'create volume.a',
  ]);
});

t.test('a file that is not here any more is an error', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'sbx.yaml': undefined });
  t.equal((await repo.sbx(['plan', '-f', 'sbx.yaml', '--against', 'git:one'])).code, 3);
});

t.test('subfolders and files that are merged from elsewhere in the work tree', async (t) => {
  const repo = repository(t);
  const base = 'version: 1\nname: sub\nvolumes: { a: { size: 1GiB } }\n';
  repo.write({ 'deep/down/sbx.yaml': base, 'shared/more.yaml': 'volumes: { b: { size: 1GiB } }\n' });
  repo.commit('one');
  repo.write({ 'shared/more.yaml': 'volumes: { b: { size: 2GiB } }\n' });
  const here = join(repo.folder, 'deep/down');
  t.strictSame(await changesOf(repo, ['--against', 'git:one'], here), []);
  t.strictSame(
    await changesOf(repo, ['-f', 'sbx.yaml', '-f', '../../shared/more.yaml', '--against', 'git:one'], here),
    ['update volume.b size live'],
  );
});

t.test('a variable that only today’s file has may be given', async (t) => {
  const repo = repository(t);
  repo.write({ 'sbx.yaml': 'version: 1\nname: v\nvolumes: { a: { size: 1GiB } }\n' });
  repo.commit('one');
  repo.write({ 'sbx.yaml': 'version: 1\nname: v\nvariables: { size: {} }\nvolumes: { a: { size: "${var.size}" } }\n' });
  t.strictSame(await changesOf(repo, ['--var', 'size=2GiB', '--against', 'git:one']), ['update volume.a size live']);
});

t.test('a broken old revision is named with its line', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'sbx.yaml': 'version: 1\nname: shop\nvmz: {}\n' });
  repo.commit('broken');
  repo.write({ 'sbx.yaml': shop });
  const ran = await repo.sbx(['plan', '--against', 'git:broken']);
  t.equal(ran.code, 3);
  t.match(ran.stderr, /git:broken:sbx\.yaml:3:1/);
  t.notMatch(ran.stderr, /sbx-against-/, 'and not the folder that it was laid into');
});

t.test('revisions that are none, or look like options, are refused', async (t) => {
  const repo = firstCommit(t);
  for (const ref of ['nowhere', '', '--upload-pack=x', '-h', 'HEAD:sbx.yaml', '../x', 'one two']) {
    const ran = await repo.sbx(['plan', `--against=git:${ref}`]);
    t.equal(ran.code, 64, ref);
    t.match(ran.stderr, /SBX0001/, ref);
  }
  const outside = mkdtempSync('/tmp/sbx-no-');
  t.teardown(() => rmSync(outside, { recursive: true }));
  writeFileSync(join(outside, 'sbx.yaml'), 'version: 1\nname: x\n');
  t.match(
    (await repo.sbx(['plan', '--against', 'git:HEAD'], outside)).stderr,
    /not in the work tree of a git repository/,
  );
  t.equal((await repo.sbx(['plan', '--against', 'git:one', '-o', 'x.plan'])).code, 64);
});

t.test('another file works as well as another revision', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'old.yaml': shop.replace('count: 1', 'count: 3') });
  t.strictSame(await changesOf(repo, ['--against', 'old.yaml']), ['update vm.web cpus.count live']);
  t.equal((await repo.sbx(['plan', '--against', 'none.yaml'])).code, 3);
});

t.test('JSON fits its schema, Markdown has its summary first, the exit code and the limit work', async (t) => {
  const repo = firstCommit(t);
  repo.write({ 'sbx.yaml': shop.replace('max: 4', 'max: 8') });
  const json = await repo.sbx(['plan', '--json', '--against', 'git:one']);
  const valid = outputValidator('plan-output');
  t.ok(valid(JSON.parse(json.stdout)), JSON.stringify(valid.errors));
  const markdown = await repo.sbx(['plan', '--format', 'markdown', '--against', 'git:one']);
  t.match(markdown.stdout, /^\*\*shop\*\*: Plan: 0 to create, 1 to change \(restart\), 0 to destroy\./);
  t.notMatch(markdown.stdout, /runs on/, 'no VMM of some host');
  t.equal((await repo.sbx(['plan', '--detailed-exitcode', '--against', 'git:one'])).code, 2);
  t.equal((await repo.sbx(['plan', '--max-impact', 'live', '--against', 'git:one'])).code, 7);
  t.equal((await repo.sbx(['plan', '--max-impact', 'restart', '--against', 'git:one'])).code, 0);
});
