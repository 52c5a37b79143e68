// sbx shell: an interactive shell in a guest.
import { type CommandDefinition, defineCommand } from '../command.ts';
import { bootTimeout, toVm, usageError, word } from '../option.ts';
import { interruptible } from '../terminal.ts';

export const shell: CommandDefinition = defineCommand({
  name: 'shell',
  summary: 'Open a shell in a VM',
  arguments: [{ name: '<vm>', description: 'the VM, as in web, web[0] or job.a' }],
  options: { user: word('-u, --user <name>', 'as this user of the guest (default root)'), timeout: bootTimeout },
  takesStdin: true,
  async run(context, { options, args: [name = ''] }) {
    const vm = toVm(name);
    if (context.io.stdin.isTTY !== true || context.io.stdout.isTTY !== true)
      throw usageError('A shell needs a terminal.', `Without one, run a command with:\nsbx exec ${name} -- COMMAND`);
    const { signal, off } = interruptible(context);
    const more = {
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
    };
    try {
      return await context.services.guests.shell({ vm, io: context.io, ...more, signal });
    } finally {
      off();
    }
  },
});
