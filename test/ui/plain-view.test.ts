import { PassThrough } from 'node:stream';
import t from 'tap';
import { diagnostic } from '../../src/core/diagnostic.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { makeJsonView } from '../../src/ui/json/json-view.ts';
import { makePlainView } from '../../src/ui/plain/plain-view.ts';
import { at, firstPlan } from '../support/plans.ts';

const step = { step: 'vm.web/vm.start', address: at('vm.web'), op: 'vm.start' } as const;

function plainView(now: () => number = () => 0): { view: ReturnType<typeof makePlainView>; lines: () => string[] } {
  const stream = new PassThrough();
  const view = makePlainView({ stream, color: false, plan: firstPlan }, now);
  return {
    view,
    lines: () =>
      String(stream.read() ?? '')
        .split('\n')
        .slice(0, -1),
  };
}

t.test('a short step is one line, told when it ends', async (t) => {
  const { view, lines } = plainView();
  view.emit({ type: 'step-started', ...step });
  view.emit({ type: 'step-done', ...step, elapsedMs: 120 });
  t.strictSame(lines(), ['vm.web: started (0.1 s)']);
  await view.close();
});

t.test('a step that takes its time is told at its beginning too', async (t) => {
  const { view, lines } = plainView();
  view.emit({ type: 'step-started', ...step });
  const told: string[] = [];
  for (const deadline = Date.now() + 5000; told.length === 0 && Date.now() < deadline; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    told.push(...lines());
  }
  t.strictSame(told, ['vm.web: starting']);
  view.emit({ type: 'step-done', ...step, elapsedMs: 2900 });
  t.strictSame(lines(), ['vm.web: started (2.9 s)']);
  await view.close();
});

t.test('progress of one step is told at most every five seconds', async (t) => {
  let now = 0;
  const { view, lines } = plainView(() => now);
  for (let n = 1; n <= 14; n++) {
    view.emit({
      type: 'step-progress',
      step: 'image.base/image.ensure',
      address: at('image.base'),
      text: `package ${n} of 14`,
    });
    now += 1000;
  }
  t.strictSame(lines(), ['image.base: package 1 of 14', 'image.base: package 6 of 14', 'image.base: package 11 of 14']);
});

t.test('a failure names code and reason on one line, without control characters', async (t) => {
  const { view, lines } = plainView();
  const failure = diagnostic('SBX5001', { detail: 'exited with 1: \u001b[31mbad\u0007\nmore' });
  view.emit({ type: 'step-failed', ...step, elapsedMs: 10, diagnostic: failure });
  view.emit({ type: 'step-skipped', ...step, because: 'x' });
  t.strictSame(lines(), ['vm.web: starting failed: SBX5001 exited with 1: bad']);
});

t.test('nothing is told after the view was closed', async (t) => {
  const { view, lines } = plainView();
  view.emit({ type: 'step-started', ...step });
  await view.close();
  await new Promise((resolve) => setTimeout(resolve, 400));
  t.strictSame(lines(), []);
});

t.test('every event is one line of JSON with version and time', async (t) => {
  const stream = new PassThrough();
  const view = makeJsonView({ stream }, () => new Date(0));
  const events: readonly EngineEvent[] = [
    { type: 'apply-started', plan: firstPlan },
    { type: 'step-done', ...step, elapsedMs: 1 },
    { type: 'interrupted', signal: 'SIGINT' },
  ];
  events.forEach(view.emit);
  const lines = String(stream.read())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(
    lines,
    events.map(({ type }) => ({ format_version: 1, time: '1970-01-01T00:00:00.000Z', type })),
  );
  t.equal(lines.length, events.length);
});
