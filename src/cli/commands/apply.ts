// sbx apply: plans, or takes a saved plan, asks, and makes it so.
import { carryOut } from '../carry-out.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { usageError } from '../option.ts';
import { applySpecs, failureSpecs, planRequest, planSpecs } from '../request.ts';

export const apply: CommandDefinition = defineCommand({
  name: 'apply',
  summary: 'Make this host match the file',
  details:
    'Takes exactly what the plan shows and nothing else. A saved plan is applied without a question. Ctrl-C ends cleanly, a second one at once.',
  arguments: [{ name: '[planfile]', description: 'plan saved by sbx plan -o' }],
  options: { ...planSpecs, ...applySpecs, ...failureSpecs },
  async run(context, { options, args: [planFile] }) {
    const { target, replace, takeOver, wait, autoApprove, parallelism, maxImpact } = options;
    if (planFile !== undefined && (target.length > 0 || replace.length > 0))
      throw usageError('A saved plan is applied whole: --target and --replace belong to sbx plan.');
    const checked =
      planFile === undefined
        ? await context.services.plan(planRequest({ targets: target, replace, takeOver, wait }))
        : await context.services.openPlan(planFile);
    return await carryOut(context, checked, {
      // Whoever saved the plan has seen it.
      autoApprove: autoApprove || planFile !== undefined,
      parallelism,
      lockTimeoutMs: options.lockTimeout,
      maxImpact,
      timeoutMs: options.timeout,
      onFailure: options.onFailure,
      question: 'Apply these changes?',
    });
  },
});
