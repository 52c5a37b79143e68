// sbx plan: what would change on this host, and what each change costs.
import { isEmptyPlan } from '../../core/plan/plan.ts';
import { planDocument } from '../../core/render/plan-json.ts';
import { renderPlanMarkdown } from '../../core/render/plan-markdown.ts';
import { showPlan, textDiffFor, tooHigh } from '../carry-out.ts';
import { type CommandContext, type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes, exitOfPlan } from '../exit.ts';
import { choice, flag, word } from '../option.ts';
import { failWith, warn } from '../report.ts';
import { planRequest, planSpecs } from '../request.ts';
import type { Planned } from '../services.ts';
import { print, printDocument } from '../terminal.ts';

export const plan: CommandDefinition = defineCommand({
  name: 'plan',
  summary: 'Show what apply would change, and what it costs',
  details: 'Changes nothing and takes no lock. With --detailed-exitcode: 0 no changes, 2 changes, 8 only drift.',
  arguments: [],
  options: {
    ...planSpecs,
    out: word('-o, --out <file>', 'save the plan for sbx apply'),
    destroy: flag('--destroy', 'plan the removal of everything'),
    detailedExitcode: flag('--detailed-exitcode', 'tell by the exit code whether there are changes'),
    format: choice('--format <format>', ['text', 'json', 'markdown'] as const, 'how to show it, text by default'),
  },
  async run(context, { options }) {
    const { target, replace, takeOver, wait, out, maxImpact } = options;
    const mode = options.destroy ? 'destroy' : 'apply';
    const checked = await context.services.plan(planRequest({ mode, targets: target, replace, takeOver, wait }));
    if (!checked.ok) return failWith(context, checked.diagnostics);
    const planned = checked.value;
    const format = context.global.json ? 'json' : (options.format ?? 'text');
    await show(context, planned, format);
    if (format === 'text') warn(context, [...checked.warnings, ...planned.plan.warnings]);
    const refusal = tooHigh(planned.plan, maxImpact);
    if (refusal !== undefined) return failWith(context, [refusal]);
    if (out !== undefined) {
      await planned.save(out);
      if (format === 'text') print(context, `\nSaved to ${out}. Apply exactly this with:\n  sbx apply ${out}\n`);
    } else if (format === 'text' && !isEmptyPlan(planned.plan)) {
      context.io.stderr.write(`\nThe plan was not saved: apply plans again and asks. Save it with -o FILE.\n`);
    }
    return options.detailedExitcode ? exitOfPlan(planned.plan) : exitCodes.done;
  },
});

async function show(context: CommandContext, planned: Planned, format: 'text' | 'json' | 'markdown'): Promise<void> {
  if (format === 'text') return await showPlan(context, planned);
  if (format === 'json') {
    const busy = planned.busy === undefined ? {} : { busy: planned.busy };
    printDocument(context, { ...planDocument(planned.plan), ...busy });
    return;
  }
  print(context, renderPlanMarkdown(planned.plan, await textDiffFor(planned.plan)));
}
