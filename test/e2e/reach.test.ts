// The commands around one running VM: into the guest by every way, documents, saved plans, and the exit codes of refusals.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runOnTerminal } from '../support/pty.ts';
import { makeSandboxHost, startSbx, whyNot } from '../support/sandbox-host.ts';

const file = (word: string, memory = '192MiB'): string => `version: 1
name: reach
images:
  base: { build: tiny }
networks:
  lan: { mode: isolated }
vms:
  box:
    image: base
    cpus: { count: 1, max: 2 }
    memory: { size: ${memory}, max: 512MiB }
    networks: { lan: {} }
    env: { WORD: ${word} }
    ready: { boot: true, timeout: 3m }
outputs:
  word: ${word}
  address: \${vm.box.networks.lan.address}
`;

t.test('around a running VM', { skip: whyNot() ?? false, timeout: 600_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  host.write(file('first'));

  await t.test('what is wrong before anything runs', async (t) => {
    t.equal((await host.sbx('apply')).code, 64, 'nobody can be asked');
    t.equal((await host.sbx('plan', '--no-such-option')).code, 64);
    t.equal((await host.sbx('frobnicate')).code, 64);
    host.write('version: 1\nname: reach\nvmz: {}\n');
    for (const command of ['validate', 'plan'] as const)
      t.match(await host.sbx(command), { code: 3, stderr: /SBX1201[\s\S]*vms/ });
    host.write(file('first'));
  });

  await host.ok('apply', '--auto-approve');

  await t.test('a shell on a terminal', async (t) => {
    const shell = await runOnTerminal(host.argv('shell', 'box'), { cwd: host.folder, env: host.env }, [
      [/# /, 'tty; echo "sum $((40 + 2))"\n'],
      [/sum 42/, 'exit 9\n'],
    ]);
    t.match(shell.stdout, /\/dev\/pts\//);
    t.equal(shell.code, 9, 'ends with the code of the shell', shell);
  });

  await t.test('a command on a terminal', async (t) => {
    const exec = await runOnTerminal(
      host.argv('exec', '-t', 'box', '--', 'tty'),
      { cwd: host.folder, env: host.env },
      [],
    );
    t.match(exec, { code: 0, stdout: /\/dev\/pts\// });
  });

  await t.test('the console on a terminal, until Ctrl-]', async (t) => {
    const seen = await runOnTerminal(host.argv('console', 'box'), { cwd: host.folder, env: host.env }, [
      [/Connected/, '\n'],
      [/# /, 'echo "sum $((40 + 2))"; echo to the kernel log >/dev/kmsg\n'],
      [/sum 42/, '\x1d'],
    ]);
    t.equal(seen.code, 0, 'ends well', seen);
    t.match(await host.sbx('console', 'box'), { code: 64 }, 'without a terminal there is none');
  });

  await t.test('folders go in and out', async (t) => {
    const tree = join(host.folder, 'tree');
    mkdirSync(join(tree, 'deep/er'), { recursive: true });
    writeFileSync(join(tree, 'a b'), 'one');
    writeFileSync(join(tree, 'deep/er/run.sh'), 'two', { mode: 0o755 });
    t.not((await host.sbx('cp', 'tree', 'box:/root/tree')).code, 0, 'a folder needs -r');
    await host.ok('cp', '-r', 'tree', 'box:/root/tree');
    t.equal(await host.ok('exec', 'box', '--', 'stat', '-c', '%a', '/root/tree/deep/er/run.sh'), '755\n');
    await host.ok('cp', '-r', 'box:/root/tree', 'back');
    t.strictSame(readdirSync(join(host.folder, 'back'), { recursive: true }).sort(), [
      'a b',
      'deep',
      'deep/er',
      'deep/er/run.sh',
    ]);
    t.equal(readFileSync(join(host.folder, 'back/deep/er/run.sh'), 'utf8'), 'two');
  });

  await t.test('logs follow the console until Ctrl-C', async (t) => {
    const logs = startSbx(host, 'logs', 'box', '-f', '-n', '1');
    await host.ok('exec', 'box', '--', 'sh', '-c', 'echo said aloud >/dev/ttyS0');
    await logs.said(/said aloud/);
    logs.kill('SIGINT');
    t.match(await logs.ended, { stdout: /said aloud/ });
    t.match(await host.sbx('logs', 'box', '--vmm-log', '--all'), { code: 0 });
  });

  await t.test('input of a command comes from where sbx has it', async (t) => {
    t.equal(await host.ok('exec', 'box', '--', 'cat'), '');
    t.equal((await host.sbx('exec', 'box', '--', 'no-such-command')).code, 127);
    t.equal((await host.sbx('exec', 'nobody', '--', 'true')).code, 125);
  });

  await t.test('documents', async (t) => {
    for (const command of ['plan', 'status', 'show', 'output', 'validate', 'doctor'])
      t.equal(JSON.parse((await host.sbx(command, '--json')).stdout).format_version, 1, command);
    t.match(JSON.parse(await host.ok('plan', '--json')), {
      empty: true,
      changes: [],
      driver: { chosen: { driver: 'qemu' } },
    });
    t.match(JSON.parse(await host.ok('show', 'box', '--json')), { resources: [{ record: { address: 'vm.box' } }] });
    t.equal(await host.ok('output', 'word'), 'first\n');
    t.match(await host.ok('show'), /network\.lan[\s\S]*vm\.box/);
  });

  await t.test('a plan that costs more than allowed is refused', async (t) => {
    host.write(file('second'));
    t.equal((await host.sbx('plan', '--max-impact', 'live')).code, 7);
    t.equal((await host.sbx('apply', '--auto-approve', '--max-impact', 'next-boot')).code, 7);
    t.equal((await host.sbx('plan', '--max-impact', 'restart', '--detailed-exitcode')).code, 2);
  });

  await t.test('a saved plan is applied as it is, and refused when the world moved', async (t) => {
    host.write(file('first', '224MiB'));
    for (const name of ['grow.plan', 'late.plan']) await host.ok('plan', '-o', name);
    const events = (await host.ok('apply', 'grow.plan', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.match(events.at(0), { format_version: 1, type: 'apply-started' });
    t.match(events.at(-1), { format_version: 1, type: 'apply-ended', result: { status: 'complete' } });
    const late = await host.sbx('apply', 'late.plan');
    t.equal(late.code, 6, 'the state moved', late);
    t.match(late.stderr, /SBX3001/);
    host.write(file('first', '256MiB'));
    await host.ok('plan', '-o', 'file.plan');
    host.write(file('first', '288MiB'));
    t.equal((await host.sbx('apply', 'file.plan')).code, 6, 'the file moved');
    host.write(file('first', '224MiB'));
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  });

  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
});
