import { PassThrough } from 'node:stream';
import { render } from 'ink-testing-library';
import t from 'tap';
import { diagnostic } from '../../src/core/diagnostic.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import { makePaint, widthOf } from '../../src/core/render/paint.ts';
import { Frame, makeInkView } from '../../src/ui/ink/ink-view.tsx';
import { startProgress, takeEvent } from '../../src/ui/ink/progress.ts';
import { treeLines } from '../../src/ui/ink/tree.ts';
import { at, firstPlan, free } from '../support/plans.ts';

const look = { title: 'Applying shop on QEMU', width: 72, height: 24, nowMs: 0, paint: makePaint(false) };
const start = { step: 's', address: at('network.lan'), op: 'network.ensure' } as const;

t.test('a tree shows where every resource is', async (t) => {
  const progress = startProgress(firstPlan, 0);
  t.strictSame(treeLines(progress, look), [
    'Applying shop on QEMU',
    '├─ · network.lan  waits',
    '├─ · volume.pg    waits',
    '└─ · vm.web[0]    waits',
    '0 of 3 done · 0.0 s',
  ]);
  takeEvent(progress, { type: 'step-started', ...start }, 100);
  takeEvent(progress, { type: 'step-done', ...start, elapsedMs: 400 }, 500);
  takeEvent(progress, { type: 'change-done', address: at('network.lan'), action: 'create', elapsedMs: 400 }, 500);
  takeEvent(progress, { type: 'step-started', step: 'v', address: at('volume.pg'), op: 'volume.create' }, 500);
  const why = diagnostic('SBX6001', { detail: 'the disk is full' });
  takeEvent(
    progress,
    { type: 'step-failed', step: 'v', address: at('volume.pg'), op: 'volume.create', elapsedMs: 1000, diagnostic: why },
    1500,
  );
  takeEvent(
    progress,
    { type: 'step-skipped', step: 'w', address: at('vm.web[0]'), op: 'vm.start', because: 'volume.pg failed' },
    1500,
  );
  t.strictSame(treeLines(progress, { ...look, nowMs: 2000 }), [
    'Applying shop on QEMU',
    '├─ ✓ network.lan  created  0.4 s',
    '├─ ✗ volume.pg    SBX6001 the disk is full  1.0 s',
    '└─ - vm.web[0]    volume.pg failed  0.0 s',
    '1 of 3 done · 1 failed · 1 not started · 2.0 s',
  ]);
});

t.test('a large plan never outgrows the terminal, and shows what is at work', async (t) => {
  const changes = Array.from({ length: 1000 }, (_none, n) => ({
    action: 'create' as const,
    address: at(`vm.web[${n}]`),
    steps: [],
    price: free,
    resumes: false,
    fields: [],
  }));
  const progress = startProgress({ ...firstPlan, changes }, 0);
  takeEvent(progress, { type: 'step-started', step: 'x', address: at('vm.web[777]'), op: 'vm.start' }, 0);
  for (const height of [5, 10, 24]) {
    const lines = treeLines(progress, { ...look, height });
    t.ok(lines.length <= height, `${lines.length} <= ${height}`);
    t.ok(
      lines.some((line) => line.includes('vm.web[777]')),
      'the one at work is shown',
    );
    t.match(lines.at(-1), /0 of 1000 done · 1 at work/);
  }
});

t.test('lines keep to the width of the terminal', async (t) => {
  const progress = startProgress(firstPlan, 0);
  const long = diagnostic('SBX6001', { detail: 'x'.repeat(500) });
  takeEvent(progress, { type: 'step-failed', ...start, elapsedMs: 1, diagnostic: long }, 1);
  for (const line of treeLines(progress, { ...look, width: 60 })) t.ok(widthOf(line) <= 60, line);
});

t.test('Ink draws the lines', async (t) => {
  const { lastFrame, unmount } = render(<Frame lines={['one', 'two']} />);
  t.equal(lastFrame(), 'one\ntwo');
  unmount();
});

t.test('the last frame stays on the terminal with the summary', async (t) => {
  const stream = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const plan: Plan = firstPlan;
  const view = makeInkView({ stream, color: false, plan });
  for (const { address } of plan.changes) view.emit({ type: 'change-done', address, action: 'create', elapsedMs: 5 });
  view.emit({ type: 'apply-ended', result: { status: 'complete', outcomes: [], elapsedMs: 5 } });
  await view.close();
  await view.close();
  const text = Buffer.concat(chunks).toString('utf8');
  t.match(text.slice(text.lastIndexOf('Applying shop')), /3 of 3 done/);
});
