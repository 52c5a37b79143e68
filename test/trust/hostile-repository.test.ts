// What a git repository that came from somewhere can make `plan --against git:REF` do: read objects of its own, and nothing else.
// Repositories are real ones, made hostile by hand; whatever is run by them leaves a mark.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createServices } from '../../src/cli/wire.ts';
import { type Ran, sbx } from '../support/cli.ts';

t.setTimeout(600_000);

const source = fileURLToPath(new URL('../../src/', import.meta.url));
const installation = {
  program: join(source, 'main.ts'),
  holderScript: join(source, 'host/holder.sh'),
  connectProbe: join(source, 'guest/connect-probe.ts'),
  kvmFirmware: '/nonexistent',
  recipesDir: join(source, '../images'),
};
const secret = 'hunter2-do-not-tell';
const yaml = (size: string): string => `version: 1\nname: shop\nvolumes: { a: { size: ${size} } }\n`;

interface Place {
  readonly root: string;
  /** Left by whatever a repository makes somebody run */
  readonly mark: string;
  readonly git: (folder: string, ...args: readonly string[]) => string;
  readonly write: (path: string, text: string) => void;
  readonly against: (folder: string, ref: string, ...more: readonly string[]) => Promise<Ran>;
}

function placeFor(t: Test): Place {
  const root = realpathSync(mkdtempSync('/tmp/sbxt-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const env = { PATH: process.env['PATH'] ?? '', HOME: join(root, 'nobody'), GIT_CONFIG_NOSYSTEM: '1' };
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always'];
  return {
    root,
    mark: join(root, 'MARK'),
    git: (folder, ...args) =>
      execFileSync('git', ['-C', join(root, folder), ...identity, ...args], { env, stdio: 'pipe', encoding: 'utf8' }),
    write: (path, text) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
    against: async (folder, ref, ...more) =>
      await sbx(['plan', '--json', `--against=git:${ref}`, '--home', join(root, 'h'), ...more], {
        cwd: join(root, folder),
        env,
        makeServices: (options) => createServices(options, { environment: env, installation }),
      }),
  };
}

/** A repository of one commit, in `repo`, with a file that was changed since. */
function repositoryIn(place: Place, folder = 'repo', size = '1GiB'): void {
  mkdirSync(join(place.root, folder), { recursive: true });
  place.git(folder, 'init', '-q', '-b', 'main');
  place.write(`${folder}/sbx.yaml`, yaml(size));
  place.git(folder, 'add', '-A');
  place.git(folder, 'commit', '-q', '-m', 'one');
  place.write(`${folder}/sbx.yaml`, yaml('3GiB'));
}

/** What a plan compares with: a sandbox that was there, or nothing; or the code of its error. */
function outcome({ stdout }: Ran): string {
  const found = JSON.parse(stdout);
  if (found.type === 'error') return found.diagnostics[0].code;
  const made = found.changes.some(
    (change: { action: string; address: string }) => change.action === 'create' && change.address === 'sandbox',
  );
  return made ? 'all new' : 'changed';
}

const hostileRemotes: readonly { readonly name: string; readonly config: (mark: string) => string }[] = [
  {
    name: 'an ssh command',
    config: (mark) => `[core]\n\tsshCommand = touch ${mark}; false\n[remote "o"]\n\turl = ssh://a/b\n`,
  },
  {
    name: 'a transport that runs a command',
    config: (mark) => `[protocol "ext"]\n\tallow = always\n[remote "o"]\n\turl = "ext::touch ${mark}"\n`,
  },
  {
    name: 'a program at the other end',
    config: (mark) =>
      `[protocol "file"]\n\tallow = always\n[remote "o"]\n\turl = /tmp\n\tuploadpack = "touch ${mark};"\n`,
  },
  {
    name: 'monitors, hooks, filters and helpers',
    config: (mark) =>
      `[core]\n\tfsmonitor = touch ${mark}\n\thooksPath = ${dirname(mark)}/hooks\n\tpager = touch ${mark}\n\tgitProxy = touch ${mark}\n[filter "x"]\n\tsmudge = touch ${mark}\n\tclean = touch ${mark}\n\tprocess = touch ${mark}\n[diff]\n\texternal = touch ${mark}\n[diff "x"]\n\ttextconv = touch ${mark}\n[credential]\n\thelper = "!touch ${mark}"\n[alias]\n\trev-parse = "!touch ${mark}"\n\tcat-file = "!touch ${mark}"\n\tfetch = "!touch ${mark}"\n[remote "o"]\n\turl = ssh://a/b\n`,
  },
];

t.test('an object that is missing is neither fetched nor taken for a file that was not there', async (t) => {
  const place = placeFor(t);
  const { root, mark, git, write } = place;
  repositoryIn(place);
  const missing = {
    commit: git('repo', 'rev-parse', 'HEAD'),
    tree: git('repo', 'rev-parse', 'HEAD^{tree}'),
    blob: git('repo', 'rev-parse', 'HEAD:sbx.yaml'),
  };
  write('hooks/post-checkout', `#!/bin/sh\ntouch ${mark}\n`);
  chmodSync(join(root, 'hooks/post-checkout'), 0o755);
  for (const { name, config } of hostileRemotes) {
    for (const [kind, object] of Object.entries(missing)) {
      const lacking = `lacking-${kind}`;
      rmSync(join(root, lacking), { recursive: true, force: true });
      cpSync(join(root, 'repo'), join(root, lacking), { recursive: true });
      write(`${lacking}/.gitattributes`, '* filter=x diff=x\n');
      rmSync(join(root, lacking, '.git/objects', object.slice(0, 2), object.trim().slice(2)));
      const promisor =
        '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = o\n[remote "o"]\n\tpromisor = true\n';
      write(`${lacking}/.git/config`, promisor + config(mark));
      const ran = await place.against(lacking, 'HEAD');
      t.equal(outcome(ran), kind === 'commit' ? 'SBX0001' : 'SBX1006', `${name}, ${kind} is missing`, ran);
      t.notOk(existsSync(mark), `${name}, ${kind}: nothing was run`);
    }
  }
});

t.test('a folder of the work tree that looks like a bare repository is none', async (t) => {
  const place = placeFor(t);
  const { root, mark } = place;
  repositoryIn(place);
  const inner = join(root, 'repo/sub');
  cpSync(join(root, 'repo/.git'), inner, { recursive: true });
  const config = `[core]\n\tbare = false\n\tworktree = .\n\trepositoryformatversion = 1\n\tsshCommand = touch ${mark}\n\tfsmonitor = touch ${mark}\n[extensions]\n\tpartialClone = o\n[remote "o"]\n\turl = ssh://a/b\n\tpromisor = true\n`;
  place.write('repo/sub/config', config);
  place.write('repo/sub/sbx.yaml', yaml('3GiB'));
  t.equal(outcome(await place.against('repo/sub', 'HEAD')), 'all new', 'the repository around it counts, and lacks it');
  renameSync(join(root, 'repo/.git'), join(root, 'gone'));
  t.equal(outcome(await place.against('repo/sub', 'HEAD')), 'SBX0001', 'alone it is no repository');
  t.notOk(existsSync(mark));
});

t.test('a repository that takes the objects of another one is refused unless that is allowed', async (t) => {
  const place = placeFor(t);
  const { root, git, write } = place;
  repositoryIn(place, 'private', '7GiB');
  write('private/sbx.yaml', `version: 1\nname: shop\noutputs: { o: ${secret} }\n`);
  git('private', 'commit', '-q', '-a', '-m', secret);
  const commit = git('private', 'rev-parse', 'HEAD').trim();
  const ways: Readonly<Record<string, (at: string) => void>> = {
    'a .git file': (at) => write(`${at}/.git`, `gitdir: ${root}/private/.git\n`),
    'a relative .git file': (at) => write(`${at}/.git`, 'gitdir: ../private/.git\n'),
    'a link': (at) => symlinkSync(join(root, 'private/.git'), join(root, at, '.git')),
    commondir: (at) => {
      git(at, 'init', '-q');
      write(`${at}/.git/commondir`, '../../private/.git\n');
    },
    alternates: (at) => {
      git(at, 'init', '-q');
      write(`${at}/.git/objects/info/alternates`, `${root}/private/.git/objects\n`);
    },
    'alternates of alternates': (at) => {
      git(at, 'init', '-q');
      mkdirSync(join(root, at, 'more/info'), { recursive: true });
      write(`${at}/.git/objects/info/alternates`, '../../more\n');
      write(`${at}/more/info/alternates`, `${root}/private/.git/objects\n`);
    },
    'a linked object store': (at) => {
      git(at, 'init', '-q');
      rmSync(join(root, at, '.git/objects'), { recursive: true });
      symlinkSync(join(root, 'private/.git/objects'), join(root, at, '.git/objects'));
    },
    'linked objects': (at) => {
      git(at, 'init', '-q');
      for (const entry of readdirSync(join(root, 'private/.git/objects')))
        if (entry.length === 2)
          symlinkSync(join(root, 'private/.git/objects', entry), join(root, at, '.git/objects', entry));
    },
  };
  let count = 0;
  for (const [name, make] of Object.entries(ways)) {
    const at = `clone${count++}`;
    write(`${at}/sbx.yaml`, yaml('3GiB'));
    make(at);
    const ran = await place.against(at, commit);
    t.equal(ran.code, 7, name, ran);
    t.equal(outcome(ran), 'SBX1004', name);
    t.notMatch(ran.stdout + ran.stderr, secret, name);
    const allowed = await place.against(at, commit, '--allow-path', join(root, 'private'));
    t.equal(outcome(allowed), 'changed', `${name}, allowed`, allowed);
  }
});

t.test('work trees, submodules, packs, shallow and SHA-256 repositories are read as ever', async (t) => {
  const place = placeFor(t);
  const { root, git, write } = place;
  repositoryIn(place);
  git('repo', 'commit', '-q', '-a', '-m', 'two');
  git('repo', 'worktree', 'add', '-q', '--detach', '../linked', 'HEAD');
  t.equal(outcome(await place.against('linked', 'HEAD~1')), 'changed', 'a linked work tree');
  mkdirSync(join(root, 'super'));
  git('super', 'init', '-q');
  git('super', 'submodule', '--quiet', 'add', join(root, 'repo'), 'module');
  t.equal(outcome(await place.against('super/module', 'HEAD~1')), 'changed', 'a submodule');
  git('super', 'commit', '-q', '-m', 'one');
  const reads = 'version: 1\nname: shop\noutputs: { o: "${file.read(\'module/sbx.yaml\')}" }\n';
  write('super/sbx.yaml', reads);
  git('super', 'add', '-A');
  git('super', 'commit', '-q', '-m', 'two');
  t.equal(outcome(await place.against('super', 'HEAD')), 'SBX1006', 'a file in a submodule');
  git('repo', 'gc', '-q', '--aggressive');
  t.equal(outcome(await place.against('repo', 'HEAD~1')), 'changed', 'packed');
  git('.', 'clone', '-q', '--depth=1', `file://${root}/repo`, 'shallow');
  t.equal(outcome(await place.against('shallow', 'HEAD')), 'changed', 'shallow');
  mkdirSync(join(root, 'long'));
  git('long', 'init', '-q', '--object-format=sha256');
  write('long/sbx.yaml', yaml('1GiB'));
  git('long', 'add', '-A');
  git('long', 'commit', '-q', '-m', 'one');
  write('long/sbx.yaml', yaml('2GiB'));
  t.equal(outcome(await place.against('long', 'HEAD')), 'changed', 'SHA-256');
});

t.test('replaced objects and variables of git change nothing', async (t) => {
  const place = placeFor(t);
  const { git, write } = place;
  repositoryIn(place);
  write('repo/other', 'vmz: {}\n');
  git(
    'repo',
    'replace',
    git('repo', 'rev-parse', 'HEAD:sbx.yaml').trim(),
    git('repo', 'hash-object', '-w', 'other').trim(),
  );
  t.equal(outcome(await place.against('repo', 'HEAD')), 'changed', 'git replace');
  const variables = {
    GIT_DIR: '/nonexistent',
    GIT_OBJECT_DIRECTORY: '/nonexistent',
    GIT_CONFIG_COUNT: 'x',
    GIT_TRACE: place.mark,
  };
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    t.equal(outcome(await place.against('repo', 'HEAD')), 'changed', 'variables, as a hook sets them');
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
  t.notOk(existsSync(place.mark));
});

const refs = [
  '',
  '-h',
  '--help',
  '--output=x',
  '--git-dir=/tmp',
  '--exec-path=/tmp',
  '-c core.pager=x',
  '^HEAD',
  'HEAD..main',
  '..',
  '../main',
  'refs/../../../x',
  '/etc/passwd',
  'HEAD:sbx.yaml',
  ':sbx.yaml',
  ':0:sbx.yaml',
  'HEAD^{tree}',
  'HEAD^{blob}',
  '@{',
  '@{-1}',
  '@{u}',
  'HEAD^{/((((((a+)+)+)+)+)+!}',
  'main\nHEAD',
  'main HEAD',
  'main\u0007',
  'main\u001b[31m',
  '$(touch x)',
  '`touch x`',
  'main;touch x',
  'main|x',
  'ext::touch x',
  'main^{commit}^{tree}',
  '\u202emain',
  'ü',
  'a'.repeat(5000),
  '0'.repeat(40),
  'f'.repeat(64),
];

t.test('whatever is no revision is refused, and nothing of it is run or shown raw', async (t) => {
  const place = placeFor(t);
  repositoryIn(place);
  for (const ref of refs) {
    const ran = await place.against('repo', ref);
    t.equal(ran.code, 64, JSON.stringify(ref), ran);
    t.notMatch(ran.stderr, /[\u0007\u001b\u202e]/);
    t.notMatch(ran.stderr, /SBX9/);
  }
  t.strictSame(readdirSync(join(place.root, 'repo')).sort(), ['.git', 'sbx.yaml']);
});

const fileNames = [
  'a b.yaml',
  '-x.yaml',
  '--help',
  ':x.yaml',
  ':(top)x',
  '*.yaml',
  '?',
  'a\nb.yaml',
  '"q".yaml',
  'é.yaml',
  "it's",
  '\\',
  '$x',
  'HEAD',
  '~',
];

t.test('a file of any name is read by what it is', async (t) => {
  const place = placeFor(t);
  const { git, write } = place;
  repositoryIn(place);
  for (const name of fileNames) write(`repo/${name}`, yaml('1GiB'));
  git('repo', 'add', '-A');
  git('repo', 'commit', '-q', '-m', 'names');
  for (const name of fileNames) {
    write(`repo/${name}`, yaml('5GiB'));
    t.equal(outcome(await place.against('repo', 'HEAD', '-f', `./${name}`)), 'changed', JSON.stringify(name));
    t.equal(outcome(await place.against('repo', 'HEAD~1', '-f', `./${name}`)), 'all new', JSON.stringify(name));
  }
});

t.test('links of a revision are followed in it, and never out of it', async (t) => {
  const place = placeFor(t);
  const { root, git, write } = place;
  repositoryIn(place);
  write('outside', `${secret}: {\n`);
  write('repo/real.yaml', yaml('1GiB'));
  write('repo/sub/own.yaml', yaml('1GiB'));
  const links: Readonly<Record<string, readonly [target: string, want: string]>> = {
    'inside.yaml': ['real.yaml', 'changed'],
    'deep.yaml': ['sub/../sub/./own.yaml', 'changed'],
    'chain.yaml': ['inside.yaml', 'changed'],
    'whole.yaml': [join(root, 'outside'), 'SBX1004'],
    'up.yaml': ['../outside', 'SBX1004'],
    'far.yaml': ['sub/../../outside', 'SBX1004'],
    'self.yaml': ['/proc/self/environ', 'SBX1004'],
    'loop.yaml': ['loop.yaml', 'SBX1001'],
    'gone.yaml': ['nowhere', 'all new'],
    'through.yaml': ['real.yaml/x', 'all new'],
  };
  for (const [name, [target]] of Object.entries(links)) symlinkSync(target, join(root, 'repo', name));
  git('repo', 'add', '-A');
  git('repo', 'commit', '-q', '-m', 'links');
  for (const [name, [, want]] of Object.entries(links)) {
    rmSync(join(root, 'repo', name));
    write(`repo/${name}`, yaml('5GiB'));
    const ran = await place.against('repo', 'HEAD', '-f', name);
    t.equal(outcome(ran), want, name, ran);
    t.notMatch(ran.stdout + ran.stderr, secret);
  }
  write('repo/sbx.yaml', 'version: 1\nname: shop\noutputs: { o: "${file.read(\'read\')}" }\n');
  symlinkSync('../outside', join(root, 'repo/read'));
  git('repo', 'add', '-A');
  git('repo', 'commit', '-q', '-m', 'reads');
  rmSync(join(root, 'repo/read'));
  write('repo/read', 'x');
  const read = await place.against('repo', 'HEAD');
  t.equal(outcome(read), 'SBX1004', 'what the file reads is held to the same', read);
});

t.test('trees that git would not write, and files that are too large', async (t) => {
  const place = placeFor(t);
  const { root, git, write } = place;
  repositoryIn(place);
  const blob = git('repo', 'rev-parse', 'HEAD:sbx.yaml').trim();
  const treeOf = (entries: readonly (readonly [mode: string, name: string, object: string])[]): string => {
    const bytes = entries.flatMap(([mode, name, object]) => [
      Buffer.from(`${mode} ${name}\0`),
      Buffer.from(object, 'hex'),
    ]);
    writeFileSync(join(root, 'tree'), Buffer.concat(bytes));
    return git('repo', 'hash-object', '-w', '-t', 'tree', '--literally', join(root, 'tree')).trim();
  };
  const commitOf = (tree: string): string => git('repo', 'commit-tree', '-m', 'x', tree).trim();
  const up = treeOf([
    ['120000', 'sbx.yaml', blob],
    ['100644', '..', blob],
    ['100644', '.git', blob],
    ['100644', 'a/b', blob],
  ]);
  const cases: readonly (readonly [string, string, string])[] = [
    ['names that lead up', commitOf(up), 'all new'],
    ['a folder that is a file', commitOf(treeOf([['40000', 'sbx.yaml', blob]])), 'SBX1001'],
    ['an unknown kind of entry', commitOf(treeOf([['777', 'sbx.yaml', blob]])), 'changed'],
    [
      'the same name twice',
      commitOf(
        treeOf([
          ['100644', 'sbx.yaml', blob],
          ['120000', 'sbx.yaml', blob],
        ]),
      ),
      'changed',
    ],
  ];
  for (const [name, commit, want] of cases) {
    const ran = await place.against('repo', commit);
    t.equal(outcome(ran), want, name, ran);
    t.notMatch(ran.stderr, /SBX9/, name);
  }
  write('repo/sbx.yaml', `# ${'x'.repeat(11 * 1024 * 1024)}\n${yaml('1GiB')}`);
  git('repo', 'commit', '-q', '-a', '-m', 'large');
  write('repo/sbx.yaml', yaml('1GiB'));
  t.equal(outcome(await place.against('repo', 'HEAD')), 'SBX1003', 'a large file');
});

t.test('no program is started from the working directory', (t) => {
  const place = placeFor(t);
  repositoryIn(place);
  const { root, mark } = place;
  for (const name of [
    'git',
    'flock',
    'ip',
    'qemu-img',
    'qemu-system-x86_64',
    'cloud-hypervisor',
    'unshare',
    'ssh',
    'tar',
  ]) {
    writeFileSync(join(root, 'repo', name), `#!/bin/sh\ntouch ${mark}\n`);
    chmodSync(join(root, 'repo', name), 0o755);
  }
  const code = `import(${JSON.stringify(installation.program)}).then((sbx) => sbx.main(process))`;
  const path = process.env['PATH'] ?? '';
  const cases: readonly (readonly [PATH: string, ...words: readonly string[]])[] = [
    [`.:${path}`, 'plan', '--against', 'git:HEAD'],
    [`:${path}`, 'plan', '--against', 'git:HEAD'],
    [`../repo:${path}`, 'plan'],
    [`.:${path}`, 'doctor'],
  ];
  for (const [PATH, ...words] of cases) {
    const argv = ['--import', fileURLToPath(import.meta.resolve('tsx')), '--input-type=module', '-e', code, '--'];
    const env = { PATH, HOME: join(root, 'nobody'), SBX_KVM: 'never' };
    spawnSync(process.execPath, [...argv, installation.program, '--home', join(root, 'h'), ...words], {
      cwd: join(root, 'repo'),
      env,
      timeout: 120_000,
    });
    t.notOk(existsSync(mark), `${words} with PATH ${PATH}`);
  }
  t.end();
});
