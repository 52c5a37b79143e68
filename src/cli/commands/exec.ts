// sbx exec: runs a command in a guest and ends with its exit code.
import { toDiagnostic } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { bootTimeout, flag, toVm, usageError, word } from '../option.ts';
import { report } from '../report.ts';
import { interruptible } from '../terminal.ts';

export const exec: CommandDefinition = defineCommand({
  name: 'exec',
  summary: 'Run a command in a VM',
  details: [
    "Ends with the command's own exit code; 128 and its number for a signal; 126 or 127 when the guest could not run it;",
    '125 when sbx did not get there. Without a network it goes through the agent: no terminal, output at the end.',
  ].join(' '),
  arguments: [
    { name: '<vm>', description: 'the VM, as in web, web[0] or job.a' },
    { name: '<command...>', description: 'the command and its arguments, after --' },
  ],
  options: {
    tty: flag('-t, --tty', 'give the command a terminal'),
    user: word('-u, --user <name>', 'run it as this user of the guest (default root)'),
    timeout: bootTimeout,
  },
  passThrough: true,
  takesStdin: true,
  async run(context, { options, args: [name = '', ...rest] }) {
    const vm = toVm(name);
    const argv = rest[0] === '--' ? rest.slice(1) : rest;
    if (argv.length === 0) throw usageError('There is no command to run.', 'Write it as in:\nsbx exec web -- uname -a');
    if (options.tty && context.io.stdin.isTTY !== true)
      throw usageError('-t takes the terminal of sbx, and there is none.', 'Leave -t out.');
    const { signal, off } = interruptible(context);
    const more = {
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
    };
    try {
      return await context.services.guests.exec({ vm, argv, io: context.io, tty: options.tty, ...more, signal });
    } catch (error) {
      // The caller must be able to tell our failures from those of the command.
      report(context.io, context.global, [toDiagnostic(error, vm)]);
      return exitCodes.ownFailure;
    } finally {
      off();
    }
  },
});
