// sbx start, stop, restart: a recorded hold on VMs, carried out as a plan of its own.
import { carryOut } from '../carry-out.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { duration, flag, toVm } from '../option.ts';
import { planRequest } from '../request.ts';

function power(to: 'start' | 'stop' | 'restart', summary: string, details: string): CommandDefinition {
  return defineCommand({
    name: to,
    summary,
    details,
    arguments: [{ name: '<vm...>', description: 'VMs, as in web, web[0] or job.a' }],
    options: {
      lockTimeout: duration('--lock-timeout <duration>', 'how long to wait for another sbx, as in 30s (default 0s)'),
      ask: flag('--ask', 'ask before it is done'),
    },
    async run(context, { options, args }) {
      const vms = args.map(toVm);
      const checked = await context.services.plan(planRequest({ power: { to, vms } }));
      return await carryOut(context, checked, {
        // Naming the VMs is the approval.
        autoApprove: !options.ask,
        parallelism: 16,
        lockTimeoutMs: options.lockTimeout,
        question: `${to.charAt(0).toUpperCase()}${to.slice(1)} them?`,
      });
    },
  });
}

export const start: CommandDefinition = power(
  'start',
  'Start VMs that were stopped',
  'Ends the hold that sbx stop put on them.',
);
export const stop: CommandDefinition = power(
  'stop',
  'Stop VMs and keep them stopped',
  'A hold that plans show and applies respect, until sbx start.',
);
export const restart: CommandDefinition = power(
  'restart',
  'Stop VMs and start them again',
  'Disks and addresses stay.',
);
