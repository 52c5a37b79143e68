import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { knownHosts, type SshTarget, shellWord, sshArgv, sshOptions } from '../../src/guest/ssh.ts';
import { run, tryRun } from '../../src/host/exec.ts';

const target: SshTarget = {
  enter: (argv) => ['enter', ...argv],
  ip: '10.0.0.5',
  keyPath: '/k y/id',
  knownHostsPath: '/h/100%',
};

t.test('a command line is entered, reads no configuration and ends its options', async (t) => {
  const argv = sshArgv(target, { command: ['echo', 'a b'] });
  t.strictSame(argv.slice(0, 4), ['enter', 'ssh', '-F', '/dev/null']);
  t.strictSame(argv.slice(-3, -1), ['--', '10.0.0.5']);
  t.match(argv.at(-1), / sbx echo 'a b'$/);
  t.ok(argv.includes('LogLevel=ERROR'), 'its errors are shown');
  const logged = sshArgv(target, { logPath: '/l', connectMs: 2500 });
  for (const word of ['LogLevel=DEBUG1', 'ConnectTimeout=3', '-E', '/l']) t.ok(logged.includes(word), word);
  t.ok(argv.includes('-T'));
  t.ok(sshArgv(target, { tty: true }).includes('-tt'));
  t.equal(sshArgv(target).at(-1), '10.0.0.5');
});

t.test('ssh itself understands every option, and trusts nothing but the key of the sandbox', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-ssh-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const options = sshOptions(target).flatMap((option) => ['-o', option]);
  const told = await run(['ssh', '-G', '-F', '/dev/null', ...options, '--', '10.0.0.5']);
  for (const line of [
    'stricthostkeychecking true',
    'identitiesonly yes',
    'batchmode yes',
    'forwardagent no',
    'globalknownhostsfile /dev/null',
    'hostkeyalias sbx-guest',
  ])
    t.ok(told.split('\n').includes(line), line);
  t.match(told, /^identityfile "?\/k y\/id"?$/m);
});

t.test('a home of any name that is taken stays one path in the options of ssh', async (t) => {
  for (const name of ['a b', "a'b", 'a\\b', '%h', '~', '#a', '$(id)', 'a=b', '-rf', 'ü']) {
    const odd = { keyPath: `/h/${name}/id`, knownHostsPath: `/h/${name}/hosts` };
    const options = sshOptions(odd).flatMap((option) => ['-o', option]);
    const told = (await run(['ssh', '-G', '-F', '/dev/null', ...options, '--', '10.0.0.5'])).split('\n');
    t.ok(told.includes(`userknownhostsfile ${odd.knownHostsPath}`), name, { told });
    // It is shown before its tokens are read.
    t.ok(told.includes(`identityfile ${odd.keyPath.replaceAll('%', '%%')}`), name, { told });
  }
});

t.test('whatever shell the guest has, it ends as the command did', async (t) => {
  const shells = [['dash'], ['bash'], ['busybox', 'sh']];
  const ends: readonly (readonly [words: readonly string[], code: number])[] = [
    [['sh', '-c', 'exit 255'], 255],
    [['sh', '-c', 'kill -9 $$'], 137],
    [['sh', '-c', 'kill -INT $$'], 130],
    [['no-such-program'], 127],
    [['/etc/passwd'], 126],
    [['printf', '%s'], 0],
  ];
  for (const shell of shells) {
    for (const [command, code] of ends) {
      const line = String(sshArgv(target, { command }).at(-1)).replace('exec sh', `exec ${shell.join(' ')}`);
      t.equal((await tryRun([...shell, '-c', line])).code, code, `${shell.join(' ')}: ${command.join(' ')}`);
    }
  }
});

t.test('words reach the shell of the guest as they are', async (t) => {
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string().filter((word) => !word.includes('\0')),
          { maxLength: 4 },
        ),
        async (words) => {
          const line = ['printf', '%s\\0', ...words].map(shellWord).join(' ');
          return (
            (await run(['sh', '-c', line])) === (words.length === 0 ? '\0' : words.map((word) => `${word}\0`).join(''))
          );
        },
      ),
      { numRuns: 25 },
    ),
  );
});

t.test('known_hosts has the guest under its alias', async (t) => {
  t.equal(knownHosts('ssh-ed25519 AAAA'), 'sbx-guest ssh-ed25519 AAAA\n');
});
