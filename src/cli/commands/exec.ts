// sbx exec: runs a command in a guest and ends with its exit code.
import { toDiagnostic } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { flag, toVm, usageError, word } from '../option.ts';
import { report } from '../report.ts';
import { interruptible } from '../terminal.ts';

export const exec: CommandDefinition = defineCommand({
  name: 'exec',
  summary: 'Run a command in a VM',
  details: "Ends with the command's own exit code; 125 to 127 when sbx could not run it.",
  arguments: [
    { name: '<vm>', description: 'the VM, as in web, web[0] or job.a' },
    { name: '<command...>', description: 'the command and its arguments, after --' },
  ],
  options: {
    tty: flag('-t, --tty', 'give the command a terminal'),
    user: word('-u, --user <name>', 'run it as this user of the guest (default root)'),
  },
  passThrough: true,
  takesStdin: true,
  async run(context, { options, args: [name = '', ...rest] }) {
    const vm = toVm(name);
    const argv = rest[0] === '--' ? rest.slice(1) : rest;
    if (argv.length === 0) throw usageError('There is no command to run.', 'Write it as in:\nsbx exec web -- uname -a');
    const { signal, off } = interruptible(context);
    const user = options.user === undefined ? {} : { user: options.user };
    try {
      return await context.services.guests.exec({ vm, argv, io: context.io, tty: options.tty, ...user, signal });
    } catch (error) {
      // The caller must be able to tell our failures from those of the command.
      report(context.io, context.global, [toDiagnostic(error, vm)]);
      return exitCodes.ownFailure;
    } finally {
      off();
    }
  },
});
