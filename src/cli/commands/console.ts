// sbx console: the terminal of a guest, without any network.
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { toVm, usageError } from '../option.ts';
import { interruptible } from '../terminal.ts';

export const guestConsole: CommandDefinition = defineCommand({
  name: 'console',
  summary: 'Connect to the console of a VM',
  details: 'Ctrl-] ends it; the VM goes on.',
  arguments: [{ name: '<vm>', description: 'the VM, as in web, web[0] or job.a' }],
  options: {},
  takesStdin: true,
  async run(context, { args: [name = ''] }) {
    const vm = toVm(name);
    if (context.io.stdin.isTTY !== true)
      throw usageError('A console needs a terminal.', 'Read what it said with:\nsbx logs VM');
    const { signal, off } = interruptible(context);
    context.io.stderr.write(`Connected to ${vm}. Ctrl-] ends it.\n`);
    try {
      await context.services.guests.console({ vm, io: context.io, signal });
    } finally {
      off();
    }
    return exitCodes.done;
  },
});
