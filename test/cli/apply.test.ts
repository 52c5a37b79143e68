import t from 'tap';
import { failed, ok } from '../../src/core/checked.ts';
import { diagnostic } from '../../src/core/diagnostic.ts';
import { SbxError } from '../../src/core/errors.ts';
import type { ApplyResult, EngineEvent } from '../../src/engine/events.ts';
import { plannerOf, sbx } from '../support/cli.ts';
import { at, emptyPlan, firstPlan, free, richPlan } from '../support/plans.ts';

t.test('without a terminal changes need --auto-approve, and nothing is done', async (t) => {
  const planner = plannerOf(firstPlan);
  const ran = await sbx(['apply'], { services: planner.services });
  t.equal(ran.code, 64);
  t.match(ran.stderr, /SBX0002/);
  t.match(ran.stderr, /--auto-approve/);
  t.equal(planner.applied, 0);
});

t.test('on a terminal only the word yes is taken', async (t) => {
  const cases = [
    { typed: 'yes\n', code: 0, applied: 1 },
    { typed: 'y\n', code: 1, applied: 0 },
    { typed: 'YES\n', code: 1, applied: 0 },
    { typed: '\n', code: 1, applied: 0 },
  ];
  for (const { typed, code, applied } of cases) {
    const planner = plannerOf(firstPlan);
    const ran = await sbx(['apply'], { services: planner.services, tty: true, stdin: typed, env: { CI: '1' } });
    t.equal(ran.code, code, JSON.stringify(typed));
    t.equal(planner.applied, applied);
    t.match(ran.stderr, /Only 'yes' will be accepted/);
  }
});

t.test('Ctrl-C at the question changes nothing and exits 130', async (t) => {
  const planner = plannerOf(firstPlan);
  let send: (signal: NodeJS.Signals) => void = () => undefined;
  const running = sbx(['apply'], {
    services: planner.services,
    tty: true,
    signals: (sender) => {
      send = sender;
    },
  });
  const timer = setInterval(() => send('SIGINT'), 5);
  t.teardown(() => clearInterval(timer));
  t.equal((await running).code, 130);
  t.equal(planner.applied, 0);
});

t.test('an empty plan is not asked about and not applied', async (t) => {
  const planner = plannerOf(emptyPlan);
  const ran = await sbx(['apply'], { services: planner.services });
  t.equal(ran.code, 0);
  t.match(ran.stdout, /No changes\./);
  t.equal(planner.applied, 0);
});

t.test('steps without changes, such as a lease, are applied without a question', async (t) => {
  const step = {
    id: 'sandbox/sandbox.lease',
    address: at('sandbox'),
    action: { op: 'sandbox.lease', expiresMs: 1000 },
    needs: [],
    after: { type: 'patched' },
  } as const;
  const planner = plannerOf({ ...emptyPlan, steps: [step] });
  t.equal((await sbx(['apply'], { services: planner.services })).code, 0);
  t.equal(planner.applied, 1);
});

t.test('how an apply ended decides the exit code', async (t) => {
  const outcomes = [
    { address: at('vm.a'), outcome: 'done' },
    { address: at('vm.b'), outcome: 'failed', diagnostic: diagnostic('SBX5001', { detail: 'It ended with 1.' }) },
    { address: at('vm.c'), outcome: 'not-started', because: 'vm.b failed' },
  ] as const;
  const cases: readonly { status: ApplyResult['status']; code: number }[] = [
    { status: 'complete', code: 0 },
    { status: 'partial', code: 5 },
    { status: 'interrupted', code: 130 },
  ];
  for (const { status, code } of cases) {
    const result: ApplyResult = { status, outcomes: status === 'complete' ? [] : outcomes, elapsedMs: 900 };
    const planner = plannerOf(firstPlan, { apply: async () => ok(result) });
    const ran = await sbx(['apply', '--auto-approve'], { services: planner.services });
    t.equal(ran.code, code);
    if (status === 'complete') continue;
    t.match(ran.stdout, /vm\.b failed: SBX5001/);
    t.match(ran.stdout, /vm\.c was not started: vm\.b failed/);
  }
});

t.test('errors of planning and applying keep their exit codes', async (t) => {
  const cases = [
    { code: 'SBX4001', exit: 4 },
    { code: 'SBX3001', exit: 6 },
    { code: 'SBX4006', exit: 7 },
    { code: 'SBX2104', exit: 3 },
    { code: 'SBX6001', exit: 1 },
  ] as const;
  for (const { code, exit } of cases) {
    const failure = failed(diagnostic(code, { detail: 'For a test.' }));
    const planning = await sbx(['apply'], { services: { plan: async () => failure } });
    t.equal(planning.code, exit, `planning ${code}`);
    const planner = plannerOf(firstPlan, { apply: async () => failure });
    t.equal((await sbx(['apply', '--auto-approve'], { services: planner.services })).code, exit, `applying ${code}`);
    const thrown = async (): Promise<never> => {
      throw new SbxError(code, 'thrown for a test');
    };
    t.equal((await sbx(['plan'], { services: { plan: thrown } })).code, exit, `thrown ${code}`);
  }
});

t.test('the first Ctrl-C aborts, the second stops at once', async (t) => {
  let send: (signal: NodeJS.Signals) => void = () => undefined;
  let aborts = 0;
  const planner = plannerOf(firstPlan, {
    apply: async ({ signal, emit }) => {
      send('SIGINT');
      aborts = signal.aborted ? 1 : 0;
      emit({ type: 'interrupted', signal: 'SIGINT' });
      send('SIGINT');
      return ok({ status: 'interrupted', outcomes: [], elapsedMs: 1 });
    },
  });
  const ran = await sbx(['apply', '--auto-approve'], {
    services: planner.services,
    signals: (sender) => {
      send = sender;
    },
  });
  t.equal(aborts, 1);
  t.equal(ran.stopped, 130);
  t.equal(ran.code, 130);
});

t.test('--max-impact refuses with 7 and says what is too high', async (t) => {
  const cases = [
    { allowed: 'live', code: 7 },
    { allowed: 'restart', code: 7 },
    { allowed: 'replace', code: 0 },
  ];
  for (const { allowed, code } of cases) {
    const planner = plannerOf(richPlan);
    const ran = await sbx(['apply', '--auto-approve', '--max-impact', allowed], { services: planner.services });
    t.equal(ran.code, code, allowed);
    t.equal(planner.applied, code === 0 ? 1 : 0);
    if (code === 7) t.match(ran.stderr, /vm\.web\[0\]/);
  }
});

t.test('a refusal names every change above the limit, deletions too, and not without end', async (t) => {
  const gone = (count: number) =>
    Array.from({ length: count }, (_none, n) => {
      const change = { action: 'delete', address: at(`vm.old[${n}]`), steps: [], price: free, because: 'x' } as const;
      return change;
    });
  const refused = async (count: number) => {
    const planner = plannerOf({ ...emptyPlan, changes: gone(count), impact: 'replace' });
    return (await sbx(['plan', '--max-impact', 'restart'], { services: planner.services })).stderr;
  };
  t.match(await refused(2), /allows "restart".*vm\.old\[0\] \(delete\), vm\.old\[1\] \(delete\)\./);
  t.match(await refused(500), /and 480 more\./);
});

t.test('a destroy says what it leaves, before and after', async (t) => {
  const address = at('volume.pg');
  const kept = diagnostic('SBX3144', { address, detail: 'volume.pg is marked protect and stays.' });
  const planner = plannerOf({ ...richPlan, mode: 'destroy', warnings: [kept] });
  const ran = await sbx(['destroy', '--auto-approve'], { services: planner.services });
  t.match(ran.stderr, /SBX3144/);
  t.match(ran.stdout, /What is protected stays: volume\.pg\./);
  const again = plannerOf({ ...emptyPlan, mode: 'destroy', warnings: [kept] });
  const left = await sbx(['destroy'], { services: again.services });
  t.match(left.stdout, /No changes\. Of shop only what is protected is left: volume\.pg\./);
  t.notMatch(left.stdout, /Nothing of shop is left/);
});

t.test('options of apply reach the planner and the engine', async (t) => {
  const planner = plannerOf(firstPlan, {
    apply: async ({ parallelism, lockTimeoutMs }) => {
      t.equal(parallelism, 3);
      t.equal(lockTimeoutMs, 90_000);
      return ok({ status: 'complete', outcomes: [], elapsedMs: 1 });
    },
  });
  const argv = ['apply', '--auto-approve', '--parallelism', '3', '--lock-timeout', '1m30s', '--no-wait', '--take-over'];
  const ran = await sbx([...argv, '--target', 'web.0', '--target', 'network.lan', '--replace', 'job.a'], {
    services: planner.services,
  });
  t.equal(ran.code, 0);
  t.strictSame(planner.requests, [
    {
      mode: 'apply',
      targets: ['vm.web[0]', 'network.lan'],
      replace: ['vm.job["a"]'],
      purge: false,
      wait: false,
      takeOver: true,
    },
  ]);
});

t.test('a saved plan is opened, not planned, and applied without a question', async (t) => {
  const planner = plannerOf(firstPlan);
  const opened: string[] = [];
  const openPlan = async (path: string): ReturnType<typeof planner.services.plan> => {
    opened.push(path);
    return await planner.services.plan({
      mode: 'apply',
      targets: [],
      replace: [],
      purge: false,
      wait: true,
      takeOver: false,
    });
  };
  t.equal((await sbx(['apply', 'it.plan'], { services: { openPlan } })).code, 0);
  t.strictSame(opened, ['it.plan']);
  t.equal((await sbx(['apply', 'it.plan', '--target', 'web'], { services: { openPlan } })).code, 64);
});

t.test('start, stop and restart plan a hold of the named VMs alone', async (t) => {
  for (const to of ['start', 'stop', 'restart'] as const) {
    const planner = plannerOf(firstPlan);
    t.equal((await sbx([to, 'web.0', 'job.a'], { services: planner.services })).code, 0);
    t.strictSame(planner.requests[0]?.power, { to, vms: ['vm.web[0]', 'vm.job["a"]'] });
    t.equal(planner.applied, 1);
    t.equal((await sbx([to, 'network.lan'], { services: planner.services })).code, 64);
    t.equal((await sbx([to], { services: planner.services })).code, 64);
  }
});

t.test('destroy plans the removal and asks', async (t) => {
  const planner = plannerOf({
    ...emptyPlan,
    mode: 'destroy',
    changes: [{ action: 'delete', address: at('vm.a'), steps: [], price: free, because: 'destroy' }],
  });
  t.equal((await sbx(['destroy'], { services: planner.services })).code, 64);
  t.equal((await sbx(['destroy', '--auto-approve', '--purge'], { services: planner.services })).code, 0);
  t.strictSame(
    planner.requests.map(({ mode, purge }) => ({ mode, purge })),
    [
      { mode: 'destroy', purge: false },
      { mode: 'destroy', purge: true },
    ],
  );
});

t.test('with --json an apply is one event per line on standard output and nothing else', async (t) => {
  const events: readonly EngineEvent[] = [
    { type: 'apply-started', plan: firstPlan },
    { type: 'step-started', step: 'vm.a/vm.start', address: at('vm.a'), op: 'vm.start' },
    { type: 'apply-ended', result: { status: 'complete', outcomes: [], elapsedMs: 1 } },
  ];
  const planner = plannerOf(firstPlan, {
    apply: async ({ emit }) => {
      events.forEach(emit);
      return ok({ status: 'complete', outcomes: [], elapsedMs: 1 });
    },
  });
  const ran = await sbx(['apply', '--auto-approve', '--json'], { services: planner.services });
  const lines = ran.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.strictSame(
    lines.map((line) => line['type']),
    ['apply-started', 'step-started', 'apply-ended'],
  );
  t.ok(lines.every((line) => line['format_version'] === 1 && typeof line['time'] === 'string'));
  t.equal(ran.stderr, '');
});

t.test('with --json an empty plan still ends in one event', async (t) => {
  const ran = await sbx(['apply', '--json'], { services: plannerOf(emptyPlan).services });
  t.match(JSON.parse(ran.stdout), { format_version: 1, type: 'apply-ended', result: { status: 'complete' } });
});
