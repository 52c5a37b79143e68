import t from 'tap';
import type { ImageServices } from '../../src/cli/services.ts';
import { failed, ok } from '../../src/core/checked.ts';
import { diagnostic } from '../../src/core/diagnostic.ts';
import type { GarbageReport, Removal } from '../../src/core/render/gc-model.ts';
import type { CachedImage } from '../../src/core/render/status-model.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { plannerOf, sbx } from '../support/cli.ts';
import { outputValidator } from '../support/output-schema.ts';
import { at, emptyPlan, firstPlan, richPlan } from '../support/plans.ts';
import { homeReport, showReport, statusReport } from '../support/reports.ts';

const failure = diagnostic('SBX5001', { detail: 'It ended.', address: at('vm.a'), hint: 'Look at its log.' });

const process = { type: 'process', role: 'VMM', pid: 7, startTime: '9', program: 'qemu', sandbox: 'shop' } as const;
const garbage: GarbageReport = {
  found: [
    { type: 'expired', sandbox: 'shop', sinceMs: 5 },
    process,
    { type: 'folder', path: '/x', sandbox: 'shop' },
    { type: 'build', path: '/y' },
    { type: 'port', sandbox: 'shop', port: '127.0.0.1:80/tcp' },
  ],
  spared: [{ what: 'volumes of shop', why: 'volumes go only with --purge' }],
};
const cleared: Removal = { removed: [process], failures: [failure] };
const image: CachedImage = { name: 'tiny', digest: 'sha256:aa', sizeBytes: 1, builtAtMs: 2, usedBy: ['shop'] };
const images: ImageServices = {
  list: async () => [image],
  build: async () => ({ image, built: true }),
  verify: async () => [{ image, problems: ['root.img is damaged'] }],
  prune: async () => [image],
};

t.test('every document that --json prints is what its schema says', async (t) => {
  const desired = { name: 'shop', folder: '/x', resources: new Map(), outputs: new Map() };
  const outputs = new Map([['db', { value: { a: [1, null] }, sensitive: true }]]);
  const cases = [
    { schema: 'plan-output', argv: ['plan'], services: plannerOf(richPlan).services },
    { schema: 'plan-output', argv: ['plan'], services: plannerOf(firstPlan).services },
    {
      schema: 'plan-output',
      argv: ['plan'],
      services: plannerOf(emptyPlan, { busy: { pid: 1, user: 'a', command: 'c', sinceMs: 2 } }).services,
    },
    { schema: 'status', argv: ['status'], services: { status: async () => ok(statusReport) } },
    { schema: 'status-all', argv: ['status', '--all'], services: { statusAll: async () => homeReport } },
    { schema: 'status-all', argv: ['ps', '--all'], services: { statusAll: async () => ({ sandboxes: [] }) } },
    { schema: 'show', argv: ['show'], services: { show: async () => ok(showReport) } },
    { schema: 'output', argv: ['output'], services: { outputs: async () => ok(outputs) } },
    { schema: 'output', argv: ['output', 'db'], services: { outputs: async () => ok(outputs) } },
    { schema: 'validate', argv: ['validate'], services: { loadDesired: async () => ok({ desired, files: [] }) } },
    { schema: 'validate', argv: ['validate'], services: { loadDesired: async () => failed(failure) } },
    {
      schema: 'doctor',
      argv: ['doctor'],
      services: { doctor: async () => [{ name: 'KVM', status: 'limited', detail: 'no', hint: 'x' } as const] },
    },
    { schema: 'gc', argv: ['gc'], services: { gc: async () => ({ report: garbage, remove: async () => cleared }) } },
    {
      schema: 'gc',
      argv: ['gc', '--auto-approve'],
      services: { gc: async () => ({ report: garbage, remove: async () => cleared }) },
    },
    { schema: 'image', argv: ['image', 'list'], services: { images } },
    { schema: 'image', argv: ['image', 'build', 'tiny'], services: { images } },
    { schema: 'image', argv: ['image', 'verify'], services: { images } },
    { schema: 'image', argv: ['image', 'prune', '--dry-run'], services: { images } },
    { schema: 'version', argv: ['version'], services: {} },
    { schema: 'events', argv: ['status'], services: { status: async () => failed(failure) } },
    { schema: 'events', argv: ['aply'], services: {} },
  ] as const;
  for (const { schema, argv, services } of cases) {
    const validate = outputValidator(schema);
    const ran = await sbx([...argv, '--json'], { services });
    t.ok(validate(JSON.parse(ran.stdout)), `${argv.join(' ')}: ${JSON.stringify(validate.errors)}`);
  }
});

t.test('init tells which file it wrote', async (t) => {
  const validate = outputValidator('init');
  const ran = await sbx(['init', '--json'], { cwd: t.testdir() });
  t.ok(validate(JSON.parse(ran.stdout)), JSON.stringify(validate.errors));
});

t.test('every event of an apply is what the schema says, and a member too many is not', async (t) => {
  const step = { step: 'vm.a/vm.start', address: at('vm.a'), op: 'vm.start' } as const;
  const outcomes = [
    { address: at('vm.a'), outcome: 'done' },
    { address: at('vm.b'), outcome: 'failed', diagnostic: failure },
    { address: at('vm.c'), outcome: 'not-started', because: 'vm.b failed' },
    { address: at('vm.d'), outcome: 'unfinished', because: 'interrupted' },
  ] as const;
  const events: readonly EngineEvent[] = [
    { type: 'apply-started', plan: richPlan },
    { type: 'step-started', ...step },
    { type: 'step-progress', step: step.step, address: step.address, text: 'package 1 of 2' },
    { type: 'step-done', ...step, elapsedMs: 1.5 },
    { type: 'step-failed', ...step, elapsedMs: 2, diagnostic: failure },
    { type: 'step-skipped', ...step, because: 'x' },
    { type: 'change-done', address: at('vm.a'), action: 'create', elapsedMs: 3 },
    { type: 'interrupted', signal: 'SIGINT' },
    { type: 'apply-ended', result: { status: 'partial', outcomes, elapsedMs: 4 } },
  ];
  const planner = plannerOf(firstPlan, {
    apply: async ({ emit }) => {
      events.forEach(emit);
      return ok({ status: 'partial', outcomes, elapsedMs: 4 });
    },
  });
  const ran = await sbx(['apply', '--auto-approve', '--json'], { services: planner.services });
  const lines = ran.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.equal(lines.length, events.length);
  const validate = outputValidator('events');
  for (const line of lines) {
    t.ok(validate(line), `${String(line['type'])}: ${JSON.stringify(validate.errors)}`);
    t.notOk(validate({ ...line, surplus: 1 }));
  }
});
