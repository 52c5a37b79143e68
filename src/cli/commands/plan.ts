// sbx plan: what would change on this host, and what each change costs.
import { isEmptyPlan } from '../../core/plan/plan.ts';
import { planDocument } from '../../core/render/plan-json.ts';
import { renderPlanMarkdown } from '../../core/render/plan-markdown.ts';
import { showPlan, textDiffFor, tooHigh } from '../carry-out.ts';
import { type CommandContext, type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes, exitOfPlan } from '../exit.ts';
import { choice, flag, usageError, word } from '../option.ts';
import { failWith, warn } from '../report.ts';
import { planRequest, planSpecs } from '../request.ts';
import type { Planned } from '../services.ts';
import { stdinName } from '../source-files.ts';
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
    against: word('--against <revision>', 'show the change from git:REF, or from a file, without looking at this host'),
    detailedExitcode: flag('--detailed-exitcode', 'tell by the exit code whether there are changes'),
    format: choice('--format <format>', ['text', 'json', 'markdown'] as const, 'how to show it, text by default'),
  },
  async run(context, { options }) {
    const { target, replace, takeOver, wait, out, maxImpact, against, destroy } = options;
    if (against !== undefined && (out !== undefined || destroy))
      throw usageError('A plan between two revisions is made to be read: -o and --destroy do not go with --against.');
    if (out !== undefined && [...context.global.files, ...context.global.varFiles].includes(stdinName))
      throw usageError(
        'A plan of standard input cannot be saved, since it is made again when it is applied: write the file first.',
      );
    const revision = against === undefined ? {} : { against };
    const request = planRequest({
      mode: destroy ? 'destroy' : 'apply',
      targets: target,
      replace,
      takeOver,
      wait,
      ...revision,
    });
    const checked = await context.services.plan(request);
    if (!checked.ok) return failWith(context, checked.diagnostics);
    const planned = checked.value;
    const format = context.global.json ? 'json' : (options.format ?? 'text');
    await show(context, planned, format);
    if (format === 'text') warn(context, [...checked.warnings, ...planned.plan.warnings]);
    const refusal = tooHigh(planned.plan, maxImpact);
    if (refusal !== undefined) return failWith(context, [refusal]);
    await keep(context, planned, { out, tell: format === 'text' && against === undefined });
    return options.detailedExitcode ? exitOfPlan(planned.plan) : exitCodes.done;
  },
});

/** Saves the plan where that was asked for, and tells how to go on. */
async function keep(
  context: CommandContext,
  planned: Planned,
  { out, tell }: { readonly out: string | undefined; readonly tell: boolean },
): Promise<void> {
  if (out !== undefined) {
    await planned.save(out);
    if (tell) print(context, `\nSaved to ${out}. Apply exactly this with:\n  sbx apply ${out}\n`);
  } else if (tell && !isEmptyPlan(planned.plan)) {
    context.io.stderr.write(`\nThe plan was not saved: apply plans again and asks. Save it with -o FILE.\n`);
  }
}

async function show(context: CommandContext, planned: Planned, format: 'text' | 'json' | 'markdown'): Promise<void> {
  if (format === 'text') return await showPlan(context, planned);
  if (format === 'json') {
    const busy = planned.busy === undefined ? {} : { busy: planned.busy };
    printDocument(context, { ...planDocument(planned.plan), ...busy });
    return;
  }
  print(context, renderPlanMarkdown(planned.plan, await textDiffFor(planned.plan)));
}
