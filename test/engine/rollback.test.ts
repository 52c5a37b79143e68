// What an apply does after a failure, when its time is over, and when it is taken back: over worlds on paper.
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { SbxError } from '../../src/core/errors.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { StepOp } from '../../src/core/plan/steps.ts';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import type { ResourceRecord } from '../../src/core/state/state.ts';
import { type ApplyRequest, applyPlan } from '../../src/engine/apply.ts';
import type { ApplyResult, EngineEvent } from '../../src/engine/events.ts';
import type { Performers } from '../../src/engine/provider.ts';
import { type Applied, applied, mustPlan } from '../support/planning.ts';

const head = `version: 1
name: shop
images: { base: { build: tiny } }
networks: { lan: { mode: nat } }
vms:
`;
const shop = `${head}  db: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} } }
  web: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} }, depends_on: { db: started } }
  alone: { image: base, cpus: 1, memory: 256MiB }
`;

interface Trial {
  /** `address op` of everything that was performed, in order */
  readonly acts: readonly string[];
  readonly records: readonly JournalRecord[];
  readonly events: readonly EngineEvent[];
  readonly result: ApplyResult;
  readonly resources: ReadonlyMap<Address, ResourceRecord>;
}

type Behave = (step: string, signal: AbortSignal) => Promise<void> | undefined;

async function run(plan: Plan, behave: Behave, options: Partial<ApplyRequest> = {}, from?: Applied): Promise<Trial> {
  const acts: string[] = [];
  const records: JournalRecord[] = [];
  const events: EngineEvent[] = [];
  const performers = new Proxy({} as Performers, {
    get: (_target, op: StepOp) => async (_action: unknown, context: { address: string; signal: AbortSignal }) => {
      acts.push(`${context.address} ${op}`);
      await behave(`${context.address} ${op}`, context.signal);
      return {};
    },
  });
  const resources = new Map((from?.state.resources ?? []).map((record) => [record.address, record]));
  const result = await applyPlan({
    plan,
    resources,
    outputs: {},
    journal: { append: async (more) => void records.push(...more) },
    performers,
    emit: (event) => events.push(event),
    parallelism: 4,
    signal: new AbortController().signal,
    now: () => performance.now(),
    ...options,
  });
  return { acts, records, events, result, resources };
}

function fail(step: string): Behave {
  return async (now) => {
    if (now === step) throw new SbxError('SBX5001', 'it burned');
  };
}

function outcomesOf({ result }: Trial): Readonly<Record<string, string>> {
  return Object.fromEntries(result.outcomes.map(({ address, outcome }) => [address, outcome]));
}

t.test('continue finishes what does not need the failed step, stop starts nothing more', async (t) => {
  const plan = mustPlan({ to: shop });
  const serial = { parallelism: 1 };
  const goesOn = await run(plan, fail('vm.db vm.tap'), serial);
  t.match(outcomesOf(goesOn), { 'vm.db': 'failed', 'vm.alone': 'done' });
  const stops = await run(plan, fail('vm.db vm.tap'), { ...serial, onFailure: 'stop' });
  t.equal(stops.acts.at(-1), 'vm.db vm.tap', 'nothing follows the failed step');
  t.equal(stops.result.status, 'partial');
  t.not(outcomesOf(stops)['vm.alone'], 'done');
  t.match(
    stops.result.outcomes.find(({ address }) => address === 'vm.alone'),
    { because: 'vm.db/vm.tap:lan failed' },
  );
});

t.test('a first apply that fails is taken back whole, newest first, and recorded like any step', async (t) => {
  const trial = await run(mustPlan({ to: shop }), fail('vm.web vm.start'), { onFailure: 'rollback' });
  t.equal(trial.result.status, 'partial');
  t.strictSame([...trial.resources.keys()], [], 'nothing is recorded any more');
  t.strictSame(outcomesOf(trial), {
    sandbox: 'undone',
    'image.base': 'undone',
    'network.lan': 'undone',
    'vm.db': 'undone',
    'vm.web': 'failed',
    'vm.alone': trial.result.outcomes.find(({ address }) => address === 'vm.alone')?.outcome ?? '',
  });
  t.match(
    trial.result.outcomes.find(({ address }) => address === 'vm.web'),
    { undone: true },
  );
  const undone = trial.acts.slice(trial.acts.lastIndexOf('vm.web vm.start') + 1);
  const at = (act: string): number => undone.indexOf(act);
  t.ok(at('vm.web vm.delete') < at('vm.db vm.stop'), 'web needed db');
  t.ok(at('vm.db vm.delete') < at('network.lan network.remove'));
  t.equal(undone.at(-1), 'sandbox sandbox.close', 'the namespace goes last');
  for (const act of undone) {
    const [address, op] = act.split(' ');
    t.ok(
      trial.records.some((record) => record.type === 'begin' && record.address === address && record.op === op),
      `${act} is in the journal`,
    );
  }
  t.notOk(trial.records.some((record) => record.type === 'close'));
});

t.test('an update is taken back to what was recorded', async (t) => {
  const before = `${head}  db: { image: base, cpus: { count: 1, max: 4 }, memory: { size: 256MiB, max: 1GiB }, networks: { lan: {} } }
  web: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} } }\n`;
  const after = `${head}  db: { image: base, cpus: { count: 2, max: 4 }, memory: { size: 512MiB, max: 1GiB }, networks: { lan: {} } }
  web: { image: base, cpus: 1, memory: 512MiB, networks: { lan: {} } }
  fresh: { image: base, cpus: 1, memory: 256MiB, networks: { lan: {} } }\n`;
  const world = applied(before);
  const plan = mustPlan({ from: world, to: after });
  const trial = await run(plan, fail('vm.fresh vm.start'), { onFailure: 'rollback', parallelism: 1 }, world);
  t.strictSame(
    [...trial.resources.values()].sort((a, b) => (a.address < b.address ? -1 : 1)),
    [...world.state.resources].sort((a, b) => (a.address < b.address ? -1 : 1)),
    'every record is as it was',
  );
  const undone = trial.acts.slice(trial.acts.indexOf('vm.fresh vm.start') + 1);
  t.ok(undone.includes('vm.db vm.cpus') && undone.includes('vm.db vm.memory'));
  t.ok(undone.indexOf('vm.web vm.stop') < undone.indexOf('vm.web vm.start'), 'web starts again as it was');
});

t.test('what cannot be taken back stays, with its reason and all that it needs', async (t) => {
  const before = `${head}  db: { image: base, cpus: 1, memory: 256MiB }\n  web: { image: base, cpus: 1, memory: 256MiB }\n`;
  const after =
    `${head}  db: { image: base, cpus: 1, memory: 256MiB, networks: { lan2: {} } }\n  fresh: { image: base, cpus: 1, memory: 256MiB, depends_on: { db: started } }\n`.replace(
      'networks: { lan: { mode: nat } }',
      'networks: { lan: { mode: nat }, lan2: { mode: nat } }',
    );
  const world = applied(before);
  const plan = mustPlan({ from: world, to: after, options: { replace: ['vm.db' as Address] } });
  const trial = await run(plan, fail('vm.fresh vm.start'), { onFailure: 'rollback', parallelism: 1 }, world);
  const outcome = (address: string) => trial.result.outcomes.find((one) => one.address === address);
  t.match(outcome('vm.db'), { outcome: 'done', kept: 'its disks are gone' });
  t.match(outcome('network.lan2'), { outcome: 'done', kept: 'vm.db stays and needs it' });
  t.match(outcome('vm.fresh'), { outcome: 'failed', undone: true });
  t.equal(trial.resources.get('vm.db' as Address)?.status, 'ready', 'the new db runs on');
});

t.test('an inverse step that fails is told, and what others stand on stays', async (t) => {
  const burned: Behave = async (step) => {
    if (step === 'vm.web vm.start' || step === 'vm.db vm.tap-remove') throw new SbxError('SBX6004', 'it sticks');
  };
  const trial = await run(mustPlan({ to: shop }), burned, { onFailure: 'rollback' });
  const outcome = (address: string) => trial.result.outcomes.find((one) => one.address === address);
  t.match(outcome('vm.db'), { outcome: 'done', kept: /undoing it failed: it sticks/ });
  t.match(outcome('network.lan'), { kept: 'vm.db was not undone' });
  t.match(outcome('sandbox'), { kept: /was not undone/ });
  t.notOk(trial.acts.includes('sandbox sandbox.close'));
});

t.test('a success rolls nothing back', async (t) => {
  const trial = await run(mustPlan({ to: shop }), () => undefined, { onFailure: 'rollback', timeoutMs: 60_000 });
  t.equal(trial.result.status, 'complete');
  t.notOk(trial.events.some(({ type }) => type === 'rollback-started'));
});

const untilAborted: Behave = async (step, signal) => {
  if (step !== 'vm.db vm.start') return;
  signal.throwIfAborted();
  await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
};

t.test('when the time is over running steps are ended, nothing starts, and the table says so', async (t) => {
  const trial = await run(mustPlan({ to: shop }), untilAborted, { timeoutMs: 50 });
  t.equal(trial.result.status, 'partial', 'exit 5');
  t.match(
    trial.result.outcomes.find(({ address }) => address === 'vm.db'),
    { outcome: 'failed', diagnostic: { code: 'SBX3172', detail: /--timeout/ } },
  );
  t.notOk(trial.acts.includes('vm.web vm.start'));
  const back = await run(mustPlan({ to: shop }), untilAborted, { timeoutMs: 50, onFailure: 'rollback' });
  t.strictSame([...back.resources.keys()], [], 'with rollback, what was done is undone');
});

t.test('a Ctrl-C is no failure: nothing is rolled back', async (t) => {
  const abort = new AbortController();
  const behave: Behave = (step, signal) => {
    if (step === 'vm.db vm.start') abort.abort(new SbxError('SBX3170', 'interrupted by SIGINT'));
    return untilAborted(step, signal);
  };
  const trial = await run(mustPlan({ to: shop }), behave, { signal: abort.signal, onFailure: 'rollback' });
  t.equal(trial.result.status, 'interrupted');
  t.notOk(trial.events.some(({ type }) => type === 'rollback-started'));
  t.ok(trial.resources.has('network.lan' as Address));
});

t.test('a step that does not end is told to, and given up', { timeout: 120_000 }, async (t) => {
  const polite = await run(mustPlan({ to: shop }), untilAborted, { stepLimitMs: 250 });
  t.match(
    polite.result.outcomes.find(({ address }) => address === 'vm.db'),
    { outcome: 'failed', diagnostic: { code: 'SBX3171' } },
  );
});
