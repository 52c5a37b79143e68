// sbx doctor: what this host lacks and how to get it.
import { renderDoctor } from '../../core/render/host-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { look, print, printDocument } from '../terminal.ts';

export const doctor: CommandDefinition = defineCommand({
  name: 'doctor',
  summary: 'Say what this host lacks and how to get it',
  arguments: [],
  options: {},
  async run(context) {
    const checks = await context.services.doctor();
    const usable = checks.every((check) => check.status !== 'missing');
    if (context.global.json) printDocument(context, { usable, checks });
    else print(context, renderDoctor(checks, look(context)));
    return usable ? exitCodes.done : exitCodes.error;
  },
});
