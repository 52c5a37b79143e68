import t from 'tap';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { renderPlanMarkdown } from '../../../src/core/render/plan-markdown.ts';
import { renderPlan } from '../../../src/core/render/plan-text.ts';
import { loadTextDiff, needsTextDiff } from '../../../src/core/render/text-diff.ts';
import { matchesGolden } from '../../support/golden.ts';
import { at, emptyPlan, firstPlan, free, is, richPlan } from '../../support/plans.ts';

t.test('plans read as they were reviewed', async (t) => {
  const textDiff = await loadTextDiff();
  const cases: readonly { name: string; plan: Plan }[] = [
    { name: 'empty', plan: emptyPlan },
    { name: 'first', plan: firstPlan },
    { name: 'rich', plan: richPlan },
    { name: 'destroyed', plan: { ...emptyPlan, mode: 'destroy', unchanged: 0 } },
    { name: 'outputs-only', plan: { ...emptyPlan, outputs: richPlan.outputs } },
    { name: 'drift-only', plan: { ...emptyPlan, drift: richPlan.drift } },
  ];
  for (const { name, plan } of cases) {
    matchesGolden(t, `render/plan-${name}.txt`, renderPlan(plan, { color: false, width: 120, textDiff }));
    matchesGolden(t, `render/plan-${name}.md`, renderPlanMarkdown(plan, textDiff));
  }
  matchesGolden(t, 'render/plan-rich-narrow.txt', renderPlan(richPlan, { color: false, width: 60, textDiff }));
});

t.test('colours change nothing but colours', async (t) => {
  const plain = renderPlan(richPlan, { color: false, width: 120 });
  const painted = renderPlan(richPlan, { color: true, width: 120 });
  t.not(painted, plain);
  t.equal(painted.replace(/\u001b\[\d+m/g, ''), plain);
});

t.test('control characters of a file do not reach the terminal', async (t) => {
  const evil = '\u001b[2Jgone\u0007\u009b31m';
  const plan: Plan = {
    ...emptyPlan,
    changes: [
      {
        action: 'update',
        address: at('vm.a'),
        steps: [],
        impact: 'live',
        price: free,
        because: evil,
        fields: [{ field: 'hostname', from: is(evil), to: is(`${evil}\n${evil}`), impact: 'live', reason: evil }],
      },
    ],
    drift: [{ address: at('vm.a'), field: 'x', recorded: is(evil), observed: is(1), remedy: evil }],
    outputs: [{ name: 'o', from: is(evil), to: is(evil) }],
  };
  const text = renderPlan(plan, { color: false, width: 120 });
  t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

t.test('the comparison of texts is only loaded for texts of several lines', async (t) => {
  t.equal(needsTextDiff(richPlan), true);
  t.equal(needsTextDiff(emptyPlan), false);
});

t.test('a sensitive value never shows, in no form', async (t) => {
  const text = JSON.stringify(firstPlan);
  t.notMatch(text, /secret/);
  t.match(renderPlan(firstPlan, { color: false, width: 100 }), /env\.TOKEN: \(sensitive\)/);
});
