import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../../src/core/address.ts';
import type { Change, FieldChange, Plan, PlanValue } from '../../../src/core/plan/plan.ts';
import { impacts } from '../../../src/core/plan/plan.ts';
import type { StepAction, StepOp } from '../../../src/core/plan/steps.ts';
import { anyState, recordOf } from '../../support/state-arbitraries.ts';
import { readSchema, strictValidator } from '../../support/strict-schema.ts';

const vm = 'vm.a' as Address;
const plan = strictValidator('plan');

const values: PlanValue[] = [{ value: { a: [1, null] } }, { sensitive: true }, { absent: true }];
const fields: FieldChange[] = impacts.map((impact) => {
  const [from = { absent: true }, to = from] = values;
  return { field: 'memory.size', from, to, impact, reason: 'r', unit: 'bytes' };
});
const common = {
  address: vm,
  steps: ['s'],
  price: { downtimeMs: 1, lostDisks: [{ name: 'root', sizeBytes: null }], touches: [vm] },
};
const changes: Record<Change['action'], Change> = {
  create: { action: 'create', ...common, fields, resumes: true },
  update: { action: 'update', ...common, fields, impact: 'next-boot', because: 'b' },
  replace: { action: 'replace', ...common, fields, because: 'b' },
  delete: { action: 'delete', ...common, because: 'b' },
  forget: { action: 'forget', ...common, because: 'b' },
};

const whole: Plan = {
  format_version: 1,
  sandbox: { name: 'shop', instance: 'a' },
  prior: { lineage: 'l', serial: 1 },
  mode: 'apply',
  driver: {
    chosen: {
      driver: 'qemu',
      version: '7.2',
      path: '/q',
      acceleration: 'tcg',
      cpuGrow: 'live',
      cpuShrink: 'restart',
      memoryGrow: 'live',
      memoryShrink: 'restart',
      diskAttach: 'live',
      diskDetach: 'live',
      diskGrow: 'live',
      nicAttach: 'live',
      nicDetach: 'live',
      memoryStepBytes: 1,
      memoryMinBytes: 1,
      cpusMax: 1,
      devicesMax: 1,
      userNetwork: true,
      notes: ['n'],
    },
    others: [{ driver: 'cloud-hypervisor', reason: 'r' }],
  },
  changes: Object.values(changes),
  drift: [{ address: vm, field: 'f', recorded: { value: 1 }, observed: { absent: true }, remedy: 'r', unit: 'ms' }],
  unchanged: 1,
  steps: [],
  outputs: [{ name: 'o', from: { absent: true }, to: { sensitive: true } }],
  impact: 'replace',
  warnings: [
    {
      severity: 'warning',
      code: 'SBX4001',
      summary: 's',
      detail: 'd',
      place: { file: 'f', line: 1, column: 1, endColumn: 2, source: 's' },
      address: vm,
      hint: 'h',
      related: [{ place: { file: 'f', line: 1, column: 1 }, note: 'n' }],
    },
  ],
};

/** What each op takes beside its name; `attrs` are those of the kind before the dot. */
const steps: { readonly [O in StepOp]: Omit<Extract<StepAction, { op: O }>, 'op' | 'attrs'> } = {
  'sandbox.open': {},
  'sandbox.lease': { expiresMs: null },
  'sandbox.uplink': {},
  'sandbox.uplink-stop': {},
  'sandbox.rules': {},
  'sandbox.close': {},
  'image.ensure': { source: { type: 'build', recipe: 'tiny' }, digest: 'd' },
  'image.release': {},
  'volume.create': {},
  'volume.grow': { sizeBytes: 1 },
  'volume.delete': {},
  'network.ensure': { gateway: 'g', prefix: 24 },
  'network.remove': {},
  'vm.disk-create': { disk: 'd', image: vm },
  'vm.disk-delete': { disk: 'd' },
  'vm.tap': { nic: 'n', network: vm, ip: 'i', mac: 'm' },
  'vm.tap-remove': { nic: 'n', network: vm, ip: 'i' },
  'vm.seed': {},
  'vm.start': {},
  'vm.ready': {},
  'vm.stop': { graceMs: 1 },
  'vm.resume': {},
  'vm.cpus': { count: 1 },
  'vm.memory': { sizeBytes: 1 },
  'vm.disk-attach': { disk: 'd' },
  'vm.disk-detach': { disk: 'd' },
  'vm.disk-grow': { disk: 'd', sizeBytes: 1 },
  'vm.delete': {},
  record: {},
};
const withAttrs = new Set<string>([
  'sandbox.open',
  'sandbox.rules',
  'volume.create',
  'vm.disk-create',
  'vm.seed',
  'vm.start',
  'vm.ready',
  'vm.disk-attach',
]);

t.test('the schema of plans names every member of a plan', async (t) => {
  t.ok(plan(whole), JSON.stringify(plan.errors));
  t.ok(plan({ ...whole, impact: null }));
  for (const value of values) t.ok(plan({ ...whole, outputs: [{ name: 'o', from: value, to: value }] }));
  t.notOk(plan({ ...whole, more: 1 }), 'it is strict here');
  t.notOk(plan({ ...whole, impact: 'huge' }));
});

t.test('the schema knows the steps that there are, and no others', async (t) => {
  const schema = readSchema('plan') as { $defs: { action: { oneOf: { properties: { op: { const: string } } }[] } } };
  const known = schema.$defs.action.oneOf.map((branch) => branch.properties.op.const);
  t.strictSame([...known].sort(), Object.keys(steps).sort());
});

t.test('steps of every op fit the schema, with any record', async (t) => {
  for (const [op, rest] of Object.entries(steps)) {
    const address = (
      op.includes('.') ? (op.startsWith('sandbox') ? 'sandbox' : `${op.split('.')[0]}.a`) : vm
    ) as Address;
    const property = fc.property(recordOf(address), ({ pending: _, ...record }) => {
      const action = { op, ...rest, ...(withAttrs.has(op) ? { attrs: record.attrs } : {}) };
      const after = { type: 'patched', status: 'ready', attrs: record.attrs, facts: record.facts };
      const step = { id: 's', address, action, needs: ['t'], before: record, after };
      return plan({ ...whole, steps: [step] });
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 15 }), op);
  }
});

t.test('no state passes for a plan', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(anyState, (state) => !plan(state))));
});
