// How commands in a guest end, told apart from ends of sbx and of the way there; copies that have odd ends; guests that are off.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runOnTerminal } from '../support/pty.ts';
import { eventually, makeSandboxHost, type Run, startSbx, whyNot } from '../support/sandbox-host.ts';

const file = `version: 1
name: into
images:
  base: { build: tiny }
networks:
  lan: { mode: isolated }
vms:
  box: { image: base, memory: 160MiB, networks: { lan: {} } }
  lone: { image: base, memory: 160MiB }
`;

/** Runs sbx with bytes on standard input. */
function sbxWithInput(argv: readonly string[], cwd: string, env: Record<string, string>, input: string): Buffer {
  const [program = '', ...args] = argv;
  return execFileSync(program, args, { cwd, env, input });
}

t.test('into guests', { skip: whyNot() ?? false, timeout: 900_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  const env = { ...host.env };
  host.write(file);
  await host.ok('apply', '--auto-approve', '--no-wait');

  await t.test('a guest that is still booting is waited for', async (t) => {
    for (const vm of ['box', 'lone']) {
      const run = await host.sbx('exec', vm, '--', 'echo', 'there');
      t.match(run, { code: 0, stdout: 'there\n' }, vm);
    }
  });
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);

  await t.test('every code of a command is its own, by ssh and by the agent', async (t) => {
    for (const vm of ['box', 'lone']) {
      for (const code of [0, 1, 2, 125, 126, 127, 128, 130, 137, 254, 255]) {
        const run = await host.sbx('exec', vm, '--', 'sh', '-c', `echo out; exit ${code}`);
        t.strictSame(run, { code, stdout: 'out\n', stderr: '' }, `${vm}: ${code}`);
      }
    }
  });

  await t.test('a signal that ended a command is 128 and its number', async (t) => {
    for (const vm of ['box', 'lone'])
      for (const [name, code] of Object.entries({ KILL: 137, TERM: 143, INT: 130, SEGV: 139 }))
        t.equal(
          (await host.sbx('exec', vm, '--', 'sh', '-c', `kill -${name} $$; sleep 5`)).code,
          code,
          `${vm}: ${name}`,
        );
  });

  await t.test('a program that is not there, or is none', async (t) => {
    for (const vm of ['box', 'lone']) {
      t.match(await host.sbx('exec', vm, '--', 'no-such-program'), { code: 127, stderr: /not found/ }, vm);
      t.match(await host.sbx('exec', vm, '--', '/etc/passwd'), { code: 126, stderr: /./ }, vm);
    }
  });

  await t.test('a Ctrl-C on the terminal of a command is the command’s own', async (t) => {
    const script = 'trap "exit 7" INT; echo set; while :; do sleep 0.1; done';
    const run = await runOnTerminal(
      host.argv('exec', '-t', 'box', '--', 'sh', '-c', script),
      { cwd: host.folder, env: host.env },
      [[/set/, '\x03']],
    );
    t.equal(run.code, 7, 'the trap ran', run);
  });

  await t.test('an interrupted sbx ends with 130', async (t) => {
    for (const vm of ['box', 'lone']) {
      const run = startSbx(host, 'exec', vm, '--', 'sh', '-c', 'touch /run/started; echo started; sleep 60');
      await eventually('the command to run', async () => {
        return (await host.sbx('exec', vm === 'box' ? vm : 'box', '--', 'true')).code === 0 && vm === 'lone'
          ? true
          : (await host.sbx('exec', vm, '--', 'test', '-e', '/run/started')).code === 0;
      });
      run.kill('SIGINT');
      t.match(await run.ended, { code: 130, stderr: '' }, vm);
    }
  });

  await t.test('a connection that breaks is no end of the command', async (t) => {
    const broken = (run: Run): void => void t.match(run, { code: 125, stderr: /SBX8014/ });
    broken(await host.sbx('exec', 'box', '--', 'sh', '-c', 'killall -9 dropbear; sleep 30'));
    // The shell that waits for the command is its parent.
    broken(await host.sbx('exec', 'box', '--', 'sh', '-c', 'kill -9 $PPID; sleep 1'));
    t.equal((await host.sbx('exec', 'box', '--', 'true')).code, 0, 'ssh came back, and was waited for');
  });

  await t.test('what cannot come out is named', async (t) => {
    const make = 'mkdir -p /root/d/sub; cd /root/d; echo x >f; mkfifo sub/pipe; ln -s /etc/passwd out; mknod dev c 1 3';
    await host.ok('exec', 'box', '--', 'sh', '-c', `${make}; ln -s f good; touch "$(printf 'a\\nb')"`);
    const run = await host.sbx('cp', '-r', 'box:/root/d', 'd');
    t.equal(run.code, 0, 'it ends well', run);
    for (const name of ['sub/pipe', 'out', 'dev']) t.match(run.stderr, new RegExp(`^ {2}${name}$`, 'm'));
    t.strictSame(readdirSync(join(host.folder, 'd'), { recursive: true }).sort(), ['a\nb', 'f', 'good', 'sub']);
  });

  await t.test('a file goes to standard output and comes from standard input', async (t) => {
    const bytes = 'one\0two\r\n\u001b[6n';
    sbxWithInput(host.argv('cp', '-', 'box:/root/in'), host.folder, env, bytes);
    t.equal(sbxWithInput(host.argv('cp', 'box:/root/in', '-'), host.folder, env, '').toString(), bytes);
    t.notOk(readdirSync(host.folder).includes('-'), 'no file of that name');
    writeFileSync(join(host.folder, '-'), 'dash');
    await host.ok('cp', './-', 'box:/root/');
    t.equal(await host.ok('cp', 'box:/root/-', '-'), 'dash');
    t.match(await host.sbx('cp', 'box:/root', '-'), { code: 1, stderr: /folder/ });
    t.match(await host.sbx('cp', '-', 'box:/root'), { code: 1, stderr: /folder/ });
    t.equal((await host.sbx('cp', '-', '-')).code, 64);
  });

  await t.test('a path that leads nowhere is said in plain words', async (t) => {
    writeFileSync(join(host.folder, 'here'), 'x');
    t.match(await host.sbx('cp', 'here', 'box:/none/x'), { code: 1, stderr: /SBX8005[\s\S]*no folder for \/none\/x/ });
    t.match(await host.sbx('cp', 'box:/none/x', '.'), { code: 1, stderr: /SBX8005[\s\S]*\/none\/x does not exist/ });
    t.match(await host.sbx('cp', 'box:/none/x', '-'), { code: 1, stderr: /does not exist/ });
    await host.ok('cp', 'box:/etc/mtab', 'mounts');
    t.match(readFileSync(join(host.folder, 'mounts'), 'utf8'), /proc/, 'a link is followed');
  });

  await t.test('a guest whose ssh is gone is waited for as long as it is said', async (t) => {
    await host.ok('exec', 'box', '--', 'mv', '/etc/dropbear/host_key', '/root/host_key');
    await host.sbx('exec', 'box', '--', 'killall', '-9', 'dropbear');
    const run = await host.sbx('exec', '--timeout', '2s', 'box', '--', 'true');
    t.match(run, { code: 125, stderr: /^vm\.box does not answer yet: .*2s[\s\S]*SBX8001/ });
    t.match(await host.sbx('cp', '--timeout', '1s', 'here', 'box:/root/'), { code: 1, stderr: /SBX8001/ });
  });

  await t.test('a guest that powered itself off is said to be off, with the way to start it', async (t) => {
    await host.sbx('exec', 'lone', '--', 'poweroff');
    await eventually('the guest to be off', async () => {
      return /exited/.test(JSON.stringify(JSON.parse(await host.ok('status', '--json')).vms));
    });
    t.match(await host.sbx('exec', 'lone', '--', 'true'), { code: 125, stderr: /SBX8015[\s\S]*sbx start vm\.lone/ });
    await host.ok('stop', 'box');
    t.match(await host.sbx('exec', 'box', '--', 'true'), { code: 125, stderr: /SBX8015[\s\S]*sbx start vm\.box/ });
    t.match(await host.sbx('cp', 'here', 'box:/root/'), { code: 1, stderr: /SBX8015/ });
    await host.ok('start', 'box');
    await host.ok('start', 'lone');
    for (const vm of ['box', 'lone']) t.match(await host.sbx('exec', vm, '--', 'true'), { code: 0, stderr: '' }, vm);
  });

  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
});
