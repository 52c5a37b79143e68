// The lease of a sandbox: it ends when the wall clock says so, whatever became of every sbx and of the clock.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holds, makeProgramHost, oneVm, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';
import { processesSaying } from '../support/sandbox-host.ts';

const leased = oneVm.replace('name: shop', 'name: shop\nexpires: 1h');

/** Puts a clock before the real one, for what the holder asks; gives the way to move it by so many seconds. */
function movableClock(host: ProgramHost): (seconds: number) => void {
  const offset = join(host.root, 'offset');
  writeFileSync(offset, '0');
  const script = `#!/bin/sh
exec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + $(cat ${offset})))" "$@"
`;
  writeFileSync(join(host.fake.folder, 'date'), script, { mode: 0o755 });
  return (seconds) => {
    writeFileSync(offset, String(seconds));
    // It looks every 30 s by itself; this makes it look now.
    for (const { pid } of watchersOf(host)) process.kill(pid, 'SIGCONT');
  };
}

function watchersOf(host: ProgramHost): ReturnType<typeof processesSaying> {
  return processesSaying(host.home, 'holder.sh watch');
}

t.test(
  'a sandbox whose lease a jump of the clock ends goes, also when every sbx was killed at work',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    const moveClock = movableClock(host);
    host.write(leased);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    // One that is killed in the middle of a change, with the lock in its hands.
    host.write(leased.replace('count: 1', 'count: 2'));
    await host.faults({ on: 'vm.resize', do: 'hang' });
    const apply = host.start('apply', '--auto-approve');
    await until('it is at the change', () => holds(host.journalPath, '"op":"vm.cpus"'));
    apply.kill('SIGKILL');
    t.equal((await apply.ended).code, 137);
    t.ok(watchersOf(host).length > 0, 'the holder lives on');
    moveClock(2 * 3600);
    await until('everything is gone', () => host.leftovers().length === 0);
    t.notOk(existsSync(host.statePath));
    t.strictSame(readdirSync(join(host.home, 'run')), [], 'no socket is left');
  },
);

t.test(
  'a clock that jumps back ends no lease, and the sandbox is as it was',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    const moveClock = movableClock(host);
    host.write(leased);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const watchers = watchersOf(host);
    moveClock(-48 * 3600);
    const plan = await host.sbx('plan', '--detailed-exitcode');
    t.equal(plan.code, 0, 'nothing is to be done', plan);
    t.strictSame(watchersOf(host), watchers, 'the same holder watches');
  },
);

t.test(
  'a lease that cannot be read is drift, is told in the log, and ends the sandbox when the end read before comes',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    const moveClock = movableClock(host);
    const [lease, log] = [join(host.home, 'run'), join(host.home, 'data/shop/holder.log')];
    host.write(leased);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const path = join(lease, readdirSync(lease)[0] ?? '', 'lease');
    writeFileSync(path, 'tomorrow\n');
    const plan = await host.sbx('plan');
    t.match(plan.stdout, /lease/, 'the plan says it', plan);
    t.match(plan.stdout, /damaged/);
    moveClock(1);
    await until('the holder said it', () => holds(log, 'cannot be read'));
    rmSync(path);
    moveClock(2 * 3600);
    await until('everything is gone', () => host.leftovers().length === 0);
    t.notOk(existsSync(host.statePath));
  },
);

t.test('a lease that nobody recorded is drift, and goes', { skip: whyNoProgram, timeout: 600_000 }, async (t) => {
  const host = await makeProgramHost(t);
  host.write(oneVm);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  const run = join(host.home, 'run');
  writeFileSync(join(run, readdirSync(run)[0] ?? '', 'lease'), '9999999999\n');
  t.strictSame(await host.changes(), ['update sandbox']);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  t.strictSame(await host.changes(), []);
});
