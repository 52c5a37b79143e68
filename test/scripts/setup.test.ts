import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';

const setup = resolve('scripts/lib/setup.sh');

/** A folder that looks like a checkout, with a `bin` in front of PATH. */
function makeCheckout(programs: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-setup-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ['bin', 'node_modules', 'src', 'schemas', 'scripts']) mkdirSync(join(folder, name));
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'src/main.ts', 'scripts/build.mjs']) {
    writeFileSync(join(folder, name), name);
  }
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  return folder;
}

function bash(folder: string, script: string, path = `${folder}/bin:${process.env['PATH']}`) {
  return spawnSync('/bin/bash', ['-euo', 'pipefail', '-c', `. ${setup}\n${script}`], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: path },
  });
}

t.test('an older Node is refused by its version, a new enough one is taken', async (t) => {
  const cases = [
    { version: '18.19.1', taken: false },
    { version: '20.18.3', taken: false },
    { version: '20.19.0', taken: true },
    { version: '21.0.0', taken: true },
    { version: '22.1.0', taken: true },
    { version: '9.11.2', taken: false },
  ];
  for (const { version, taken } of cases) {
    const folder = makeCheckout({ node: `echo ${version}`, npm: 'true' });
    const run = bash(folder, 'require_node');
    t.equal(run.status === 0, taken, version);
    if (!taken) t.match(run.stderr, `is Node.js ${version}.`);
  }
});

t.test('a machine without Node is told so', async (t) => {
  const folder = makeCheckout({});
  const run = bash(folder, 'require_node', `${folder}/bin`);
  t.equal(run.status, 1);
  t.match(run.stderr, 'no "node" was found');
});

t.test('packages of missing programs are named once', async (t) => {
  const folder = makeCheckout({ there: 'true' });
  const run = bash(folder, 'missing_packages there:one nothere-1:two nothere-2:two nothere-3:three');
  t.strictSame(run.stdout.trim().split('\n'), ['three', 'two']);
});

t.test('packages are named before apt-get runs', async (t) => {
  const folder = makeCheckout({
    'apt-get': 'echo "apt-get $*" >&2; touch bin/nothere-x; chmod +x bin/nothere-x',
    sudo: 'exec "$@"',
  });
  const run = bash(folder, 'install_packages nothere-x:some-package 2>&1');
  t.equal(run.status, 0, run.stdout);
  const lines = run.stdout.trim().split('\n');
  t.match(lines[0], 'some-package');
  t.match(lines[1], /^apt-get .*update$/);
});

t.test('an installation that did not bring the program fails', async (t) => {
  const folder = makeCheckout({ 'apt-get': 'true', sudo: 'exec "$@"' });
  const run = bash(folder, 'install_packages nothere-x:some-package');
  t.equal(run.status, 1);
  t.match(run.stderr, 'still missing: some-package');
});

t.test('package lists are read only where apt knows no candidate, however much it says', async (t) => {
  const cases = [
    { says: '1:7.2+dfsg-7', updates: false },
    { says: '(none)', updates: true },
  ];
  for (const { says, updates } of cases) {
    const folder = makeCheckout({
      'apt-cache': `echo "  Candidate: ${says}"; i=0; while [ $i -lt 20000 ]; do echo "  500 mirror"; i=$((i+1)); done`,
      'apt-get': 'echo "$*" >>apt.log',
      sudo: 'exec "$@"',
    });
    const run = bash(folder, 'require_package_lists');
    t.equal(run.status, 0, run.stderr);
    t.equal(run.stdout.includes('apt-get update'), updates, says);
  }
});

t.test('npm ci runs once, and again when the lockfile changes', async (t) => {
  const folder = makeCheckout({ npm: 'echo "$*" >>npm.log' });
  const install = () => t.equal(bash(folder, 'install_node_modules').status, 0);
  const runs = () => readFileSync(join(folder, 'npm.log'), 'utf8').trim().split('\n').length;
  install();
  install();
  t.equal(runs(), 1);
  writeFileSync(join(folder, 'package-lock.json'), 'changed');
  install();
  t.equal(runs(), 2);
});

t.test('the build runs again when a source, a name or the result changes, and else not', async (t) => {
  const folder = makeCheckout({ npm: 'echo "$*" >>npm.log; mkdir -p dist; echo built >dist/sbx.cjs' });
  const build = () => t.equal(bash(folder, 'build_sbx').status, 0);
  const runs = () => readFileSync(join(folder, 'npm.log'), 'utf8').trim().split('\n').length;
  build();
  build();
  t.equal(runs(), 1, 'nothing changed');
  writeFileSync(join(folder, 'src/main.ts'), 'changed');
  build();
  t.equal(runs(), 2, 'a source changed');
  writeFileSync(join(folder, 'src/more.ts'), '');
  build();
  t.equal(runs(), 3, 'a source came');
  writeFileSync(join(folder, 'dist/sbx.cjs'), 'touched');
  build();
  t.equal(runs(), 4, 'the result changed');
});
