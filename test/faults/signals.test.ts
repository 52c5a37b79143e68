// Signals while an apply runs: each has a defined end, a state that the next plan understands, and an apply after it that finishes.
import { existsSync } from 'node:fs';
import t from 'tap';
import { holds, makeProgramHost, oneVm, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);

/** An apply that is in the middle of booting its VM, which takes `bootMs`. */
async function booting(
  t: Parameters<typeof makeProgramHost>[0],
  bootMs: number,
): Promise<{ readonly host: ProgramHost; readonly apply: ReturnType<ProgramHost['start']> }> {
  const host = await makeProgramHost(t, { settings: { LATENCY: JSON.stringify({ 'vm.boot': bootMs }) } });
  host.write(oneVm);
  const apply = host.start('apply', '--auto-approve');
  await until('the boot began', () => holds(host.journalPath, '"op":"vm.start"'));
  await until('the VMM was asked', async () => (await host.fake.calls()).some(({ action }) => action === 'vm.create'));
  return { host, apply };
}

async function converges(t: Parameters<typeof makeProgramHost>[0], host: ProgramHost): Promise<void> {
  await host.fake.set({ LATENCY: '{}' });
  const again = await host.sbx('apply', '--auto-approve');
  t.equal(again.code, 0, 'the next apply finishes it', { stderr: again.stderr });
  t.strictSame(await host.changes(), [], 'and the plan after it is empty');
  t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
  t.strictSame(host.leftovers(), []);
}

t.test(
  'SIGINT, SIGTERM and SIGHUP end an apply cleanly with 130 and a written state',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const { host, apply } = await booting(t, 8000);
      apply.kill(signal);
      const { code, stdout, stderr } = await apply.ended;
      t.equal(code, 130, `${signal} ends with 130`, { stdout, stderr });
      t.match(stdout, /Interrupted: .* done/);
      t.match(stdout, new RegExp(`vm.a failed: SBX3170 interrupted by ${signal}`));
      t.notOk(existsSync(host.journalPath), 'the journal is part of the state');
      t.strictSame(await host.changes(), ['create vm.a'], 'the next plan shows what is left');
      await converges(t, host);
    }
  },
);

t.test(
  'a second Ctrl-C ends at once, and the next plan understands what it left',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const { host, apply } = await booting(t, 8000);
    apply.kill('SIGINT');
    apply.kill('SIGTERM');
    const { code } = await apply.ended;
    t.equal(code, 130);
    t.strictSame(await host.changes(), ['create vm.a']);
    await converges(t, host);
  },
);

t.test(
  'a terminal that closes is no second Ctrl-C: the apply ends cleanly although nobody hears it',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const { host, apply } = await booting(t, 8000);
    apply.stdout?.destroy();
    apply.stderr?.destroy();
    apply.kill('SIGHUP');
    apply.kill('SIGHUP');
    await new Promise((resolve) => apply.once('exit', resolve));
    t.equal(apply.exitCode, 130);
    t.notOk(existsSync(host.journalPath), 'the state is written');
    await converges(t, host);
  },
);

t.test('whoever waits for the lock can give up', { skip: whyNoProgram, timeout: 600_000 }, async (t) => {
  const { host, apply } = await booting(t, 8000);
  const second = host.start('apply', '--auto-approve', '--lock-timeout', '5m');
  await until('it waits', async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    return true;
  });
  second.kill('SIGINT');
  const { code, stderr } = await second.ended;
  t.ok(code === 130 || code === 255, `it ends with 130, or by the signal before it waits: ${code}`, { stderr });
  t.notMatch(stderr, /SBX9/);
  apply.kill('SIGINT');
  t.equal((await apply.ended).code, 130);
});
