// Where a sensitive value may be: in the seed of its VM, inside a folder that only its owner enters, and nowhere else: no plan,
// state, journal, log, event or command line. And what of the home others may see: nothing.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holds, makeProgramHost, oneVm, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);
const options = { skip: whyNoProgram, timeout: 600_000 };

const secret = 'hunter2-do-not-tell';
const withSecret = `${oneVm
  .replace('name: shop', 'name: shop\nexpires: 1h\nvariables: { token: { type: string, sensitive: true } }')
  .replace(
    'networks: { lan: {} } }',
    'networks: { lan: {} }, env: { TOKEN: "${var.token}", PLAIN: "a,b=c \\"d\\" \'e\'" } }',
  )}outputs: { token: "\${var.token}" }\n`;

/** Every file below a folder. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Regular files that hold the secret, in any of the forms in which it could stand there. */
function leaks(folder: string): readonly string[] {
  const forms = [secret, Buffer.from(secret).toString('base64').slice(0, 20), Buffer.from(secret).toString('hex')];
  return filesBelow(folder)
    .filter((path) => lstatSync(path).isFile())
    .filter((path) => forms.some((form) => holds(path, form)));
}

function onCommandLines(): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1') + readFileSync(`/proc/${pid}/environ`, 'latin1');
      return words.includes(secret) && Number(pid) !== process.pid;
    } catch {
      return false;
    }
  });
}

async function given(host: ProgramHost, ...args: readonly string[]): ReturnType<ProgramHost['sbx']> {
  host.env['SBX_VAR_token'] = secret;
  const ran = await host.sbx(...args);
  delete host.env['SBX_VAR_token'];
  return ran;
}

t.test('a sensitive value is in the seed of its VM and nowhere else', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  const plan = join(host.root, 'it.plan');
  const told: string[] = [];
  for (const args of [
    ['validate', '--json'],
    ['plan', '--json'],
    ['plan', '--format', 'markdown'],
    ['plan', '-o', plan],
    ['apply', '--auto-approve', '--json', '--log-level', 'debug'],
    ['plan', '--json'],
    ['show', '--json'],
    ['status', '--json'],
  ]) {
    const { stdout, stderr, code } = await given(host, ...args);
    t.equal(code, 0, `sbx ${args.join(' ')}`, { stderr });
    told.push(stdout, stderr);
  }
  t.notMatch(told.join('\n'), secret, 'nothing that was printed tells it');
  t.strictSame(onCommandLines(), [], 'no command line and no environment of a process has it');
  const found = leaks(host.root);
  t.strictSame(
    found.map((path) => path.replace(/^.*\//, '')),
    ['seed.img'],
    `only the seed holds it: ${found.join(', ')}`,
  );
  host.write(withSecret.replace('count: 1,', 'count: 2,'));
  t.equal((await given(host, 'apply', '--auto-approve')).code, 0);
  t.equal(leaks(host.root).length, 1, 'backups and journals neither');
});

t.test('no program that sbx starts gets a sensitive value in its environment', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(withSecret);
  const seen = join(host.root, 'seen');
  const programs = ['flock', 'ip', 'nft', 'unshare', 'nsenter', 'setpriv', 'qemu-img'];
  for (const program of programs) {
    const real = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, program));
    const path = real.find((candidate) => existsSync(candidate));
    if (path === undefined) continue;
    const shim = `#!/bin/sh\n{ echo ${program}; tr '\\0' '\\n' < /proc/self/environ; } >> ${seen}\nexec ${path} "$@"\n`;
    writeFileSync(join(host.fake.folder, program), shim, { mode: 0o755 });
  }
  t.equal((await given(host, 'apply', '--auto-approve')).code, 0);
  t.match(readFileSync(seen, 'utf8'), /^(flock|ip|nft|unshare|nsenter)$/m, 'programs were started');
  t.notMatch(readFileSync(seen, 'utf8'), secret);
});

t.test('an apply that is cut short leaves no secret in its journal', options, async (t) => {
  const host = await makeProgramHost(t, { settings: { LATENCY: JSON.stringify({ 'vm.boot': 5000 }) } });
  host.write(withSecret);
  host.env['SBX_VAR_token'] = secret;
  const apply = host.start('apply', '--auto-approve');
  await until('the boot began', () => holds(host.journalPath, '"op":"vm.start"'));
  apply.kill('SIGKILL');
  await apply.ended;
  t.ok(existsSync(host.journalPath));
  t.strictSame(
    leaks(host.home).map((path) => path.replace(/^.*\//, '')),
    ['seed.img'],
  );
});

t.test('everything in the home is for its owner alone', options, async (t) => {
  const host = await makeProgramHost(t);
  // A generous umask, as many users have it.
  const before = process.umask(0);
  t.teardown(() => process.umask(before));
  host.write(withSecret.replace('isolated', 'nat'));
  t.equal((await given(host, 'apply', '--auto-approve')).code, 0);
  t.equal((await given(host, 'plan', '-o', join(host.home, 'it.plan'))).code, 0);
  const walk = (folder: string): readonly string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      const found = lstatSync(path);
      const open = (found.mode & 0o077) !== 0 && !found.isSymbolicLink();
      return [
        ...(open ? [`${(found.mode & 0o777).toString(8)} ${path}`] : []),
        ...(found.isDirectory() ? walk(path) : []),
      ];
    });
  t.strictSame(walk(host.home), []);
});

t.test('a plan file that was tampered with is refused, whatever was changed', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(oneVm);
  const path = join(host.root, 'it.plan');
  t.equal((await host.sbx('plan', '-o', path)).code, 0);
  const text = readFileSync(path, 'utf8');
  const tampered: readonly (readonly [string, string])[] = [
    ['a size', text.replaceAll('268435456', '536870912')],
    ['an action', text.replace('"create"', '"delete"')],
    ['an option', text.replace('"allowPublicPorts":false', '"allowPublicPorts":true')],
    ['an allowed path', text.replace('"allowPaths":[]', '"allowPaths":["/"]')],
    ['the file that it is of', text.replace('/box/sbx.yaml', '/box/evil.yaml')],
    ['the seal', text.replace(/"seal":"../, '"seal":"00')],
    ['no seal', text.replace(/"seal":"[0-9a-f]+"/, '"seal":""')],
  ];
  for (const [what, changed] of tampered) {
    t.not(changed, text, `the test changes ${what}`);
    writeFileSync(path, changed);
    const ran = await host.sbx('apply', path);
    t.equal(ran.code, 1, `${what} is refused`, ran);
    t.match(ran.stderr, /SBX402[012]/);
  }
  t.strictSame(await host.calls(), [], 'nothing was started');
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  t.equal((await host.sbx('apply', path)).code, 0, 'the plan itself still holds');
});
