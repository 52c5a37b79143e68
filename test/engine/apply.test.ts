// Apply over worlds on paper: records before and after each step, failures that stop only what needs them, interruptions.
import t from 'tap';
import { SbxError } from '../../src/core/errors.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { StepOp } from '../../src/core/plan/steps.ts';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import type { ResourceRecord } from '../../src/core/state/state.ts';
import { type ApplyRequest, applyPlan } from '../../src/engine/apply.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { Performers } from '../../src/engine/provider.ts';
import { applied, mustPlan } from '../support/planning.ts';

const shop = `version: 1
name: shop
images: { base: { build: tiny } }
networks: { lan: { mode: nat } }
vms:
  db: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} }, ready: { boot: true } }
  web: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} }, depends_on: { db: ready } }
  alone: { image: base, cpus: 1, memory: 256MiB }
`;

interface Trial {
  readonly log: string[];
  readonly events: EngineEvent[];
  readonly request: ApplyRequest;
  readonly abort: AbortController;
}

type Behaviour = (step: string, op: StepOp) => Promise<void> | undefined;

/** An apply whose performers only write down that they ran. */
function trial(
  plan: Plan,
  behave: Behaviour = () => undefined,
  append?: (records: readonly JournalRecord[]) => Promise<void>,
): Trial {
  const log: string[] = [];
  const events: EngineEvent[] = [];
  const abort = new AbortController();
  const performers = new Proxy({} as Performers, {
    get: (_target, op: StepOp) => async (_action: unknown, context: { readonly address: string }) => {
      log.push(`act ${context.address} ${op}`);
      await behave(context.address, op);
      return {};
    },
  });
  const journal = {
    append: async (records: readonly JournalRecord[]) => {
      await append?.(records);
      for (const record of records)
        log.push('address' in record ? `${record.type} ${record.address} ${record.step.split('/')[1]}` : record.type);
    },
  };
  const request: ApplyRequest = {
    plan,
    resources: new Map<never, ResourceRecord>(),
    outputs: {},
    journal,
    performers,
    emit: (event) => events.push(event),
    parallelism: 4,
    signal: abort.signal,
    now: () => performance.now(),
  };
  return { log, events, request, abort };
}

t.test('every step is in the journal before and after it acts', async (t) => {
  const { log, request } = trial(mustPlan({ to: shop }));
  const result = await applyPlan(request);
  t.equal(result.status, 'complete');
  for (const line of log.filter((entry) => entry.startsWith('act '))) {
    const [, address, op] = line.split(' ');
    const at = log.indexOf(line);
    const begun = log.findIndex((entry) => entry.startsWith(`begin ${address} ${op}`));
    const done = log.findIndex((entry) => entry.startsWith(`done ${address} ${op}`));
    t.ok(begun >= 0 && begun < at && at < done, line);
  }
  t.equal(log.at(-1), 'close');
});

t.test('what was applied step by step is what a plan on paper says', async (t) => {
  const { request } = trial(mustPlan({ to: shop }));
  await applyPlan(request);
  const paper = applied(shop).state.resources;
  t.strictSame(
    [...request.resources.values()]
      .map(({ address, status, attrs }) => ({ address, status, attrs }))
      .sort((a, b) => (a.address < b.address ? -1 : 1)),
    paper
      .map(({ address, attrs }) => ({ address, status: 'ready', attrs }))
      .sort((a, b) => (a.address < b.address ? -1 : 1)),
  );
});

t.test('many steps at a time make Node.js warn of nothing', async (t) => {
  const vms = Array.from({ length: 30 }, (_, at) => `  v${at}: { image: base }`).join('\n');
  const file = `version: 1\nname: many\nimages: { base: { build: tiny } }\nvms:\n${vms}\n`;
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  let [running, most] = [0, 0];
  const { request } = trial(mustPlan({ to: file }), async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
  });
  await applyPlan({ ...request, parallelism: 25 });
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(most, 25, 'so many ran at a time');
  t.strictSame(warnings, []);
});

t.test('a failed step stops its dependants and nothing else', async (t) => {
  const { request, log } = trial(mustPlan({ to: shop }), async (address, op) => {
    if (address === 'vm.db' && op === 'vm.start') throw new SbxError('SBX5001', 'it burned');
  });
  const result = await applyPlan(request);
  t.equal(result.status, 'partial');
  const outcomes = Object.fromEntries(result.outcomes.map((outcome) => [outcome.address, outcome.outcome]));
  t.match(outcomes, { 'vm.db': 'failed', 'vm.web': 'unfinished', 'vm.alone': 'done', sandbox: 'done' });
  t.match(
    result.outcomes.find(({ address }) => address === 'vm.db'),
    { diagnostic: { code: 'SBX5001', detail: /it burned/ } },
  );
  t.notOk(log.includes('act vm.web vm.start'));
  t.ok(log.includes('failed vm.db vm.start'));
  t.notOk(log.includes('close'), 'an apply that failed does not close its journal');
});

t.test('what throws something unknown is told as unexpected, with its message', async (t) => {
  const { request } = trial(mustPlan({ to: shop }), async (address, op) => {
    if (address === 'vm.db' && op === 'vm.seed') throw new TypeError('oops');
  });
  const { outcomes } = await applyPlan(request);
  t.match(
    outcomes.find(({ address }) => address === 'vm.db'),
    { diagnostic: { code: 'SBX9002', detail: /oops/ } },
  );
});

t.test('an interruption lets running steps end and starts no other', async (t) => {
  const { request, abort, log } = trial(mustPlan({ to: shop }), async (address, op) => {
    if (address === 'network.lan' && op === 'network.ensure') abort.abort();
  });
  const result = await applyPlan(request);
  t.equal(result.status, 'interrupted');
  t.ok(
    log.some((line) => line.startsWith('done network.lan')),
    'the running step is recorded',
  );
  t.notOk(log.some((line) => line.includes('vm.start')));
});

t.test('nothing is started once the journal cannot be written', async (t) => {
  let writes = 0;
  const { request, log } = trial(
    mustPlan({ to: shop }),
    () => undefined,
    async () => {
      writes += 1;
      if (writes > 5) throw new SbxError('SBX4008', 'no space left');
    },
  );
  await t.rejects(applyPlan(request), { code: 'SBX4008' });
  t.ok(log.filter((line) => line.startsWith('act ')).length <= 5);
});

t.test('no more steps run at a time than asked for', async (t) => {
  const many = `version: 1\nname: many\nimages: { base: { build: tiny } }\nvms:\n  m: { image: base, cpus: 1, memory: 128MiB, count: 30 }\n`;
  let running = 0;
  let most = 0;
  const { request } = trial(mustPlan({ to: many }), async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  });
  const result = await applyPlan({ ...request, parallelism: 3 });
  t.equal(result.status, 'complete');
  t.equal(most, 3);
});

t.test('each change ends with one event, and the apply with its result', async (t) => {
  const { request, events } = trial(mustPlan({ to: shop }));
  const result = await applyPlan(request);
  const done = events.flatMap((event) => (event.type === 'change-done' ? [event.address] : []));
  t.strictSame([...done].sort(), request.plan.changes.map(({ address }) => address).sort());
  t.equal(events[0]?.type, 'apply-started');
  t.match(events.at(-1), { type: 'apply-ended', result: { status: result.status } });
});
