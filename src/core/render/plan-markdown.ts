// A plan for a pull request: one line that says it all, the details folded.

import { isEmptyPlan, type Plan } from '../plan/plan.ts';
import { boundedDiagnostics } from './diagnostics.ts';
import { countChanges, sandboxTitle, summaryLine } from './plan-model.ts';
import { renderPlan } from './plan-text.ts';
import { aboutDuration, counted } from './quantity.ts';
import type { TextDiff } from './text-diff.ts';

/** Markdown of a plan; ends with a newline. */
export function renderPlanMarkdown(plan: Plan, textDiff?: TextDiff): string {
  const title = sandboxTitle(plan.sandbox);
  if (isEmptyPlan(plan) && plan.drift.length === 0) return `**${title}**: no changes.\n`;
  const { downtimeMs, replace } = countChanges(plan);
  const remarks = [
    ...(plan.drift.length > 0 ? [`${counted(plan.drift.length, 'field')} drifted`] : []),
    ...(downtimeMs > 0 ? [`longest downtime ${aboutDuration(downtimeMs)}`] : []),
    ...(replace > 0 || plan.changes.some((c) => c.price.lostDisks.length > 0) ? ['**data may be lost**'] : []),
    ...(plan.warnings.length > 0 ? [counted(plan.warnings.length, 'warning')] : []),
  ];
  const summary = isEmptyPlan(plan) ? 'no changes.' : summaryLine(plan);
  const text = renderPlan(plan, { color: false, width: 120, ...(textDiff === undefined ? {} : { textDiff }) });
  const fence = fenceFor(text);
  return [
    `**${title}**: ${summary}${remarks.length === 0 ? '' : ` (${remarks.join('; ')})`}`,
    '',
    '<details><summary>Plan</summary>',
    '',
    `${fence}diff`,
    asDiff(text).trimEnd(),
    fence,
    '',
    '</details>',
    '',
    ...boundedDiagnostics(plan.warnings).map((w) => `- ⚠ \`${w.code}\` ${w.summary}: ${w.detail.replace(/\n/g, ' ')}`),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

/** A fence that the text cannot end. */
function fenceFor(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`{3,}/g)].map((m) => m[0].length));
  return '`'.repeat(Math.max(3, longest + 1));
}

/** Symbols at the start of lines, where renderers colour them; they know `!` for a change and no `~`. */
function asDiff(text: string): string {
  return text.replace(
    /^( +)([+~-]) /gm,
    (_all, blanks: string, mark: string) => `${mark === '~' ? '!' : mark}${blanks} `,
  );
}
