// sbx destroy: removes everything of the sandbox but volumes that are protected.
import { carryOut } from '../carry-out.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { addresses, flag } from '../option.ts';
import { applySpecs, planRequest } from '../request.ts';

export const destroy: CommandDefinition = defineCommand({
  name: 'destroy',
  summary: 'Remove the sandbox from this host',
  details: 'Volumes marked protect stay, unless --purge is given.',
  arguments: [],
  options: {
    ...applySpecs,
    target: addresses('--target <address>', 'only this and what needs it; repeatable'),
    purge: flag('--purge', 'remove protected volumes too'),
    takeOver: flag('--take-over', 'also when it was applied from another folder'),
  },
  async run(context, { options }) {
    const { target, purge, takeOver, autoApprove, parallelism, lockTimeout } = options;
    const checked = await context.services.plan(planRequest({ mode: 'destroy', targets: target, purge, takeOver }));
    const question = purge ? 'Destroy all this, with the volumes?' : 'Destroy all this?';
    return await carryOut(context, checked, {
      autoApprove,
      parallelism,
      lockTimeoutMs: lockTimeout,
      timeoutMs: options.timeout,
      question,
    });
  },
});
