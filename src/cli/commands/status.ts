// sbx status: the live table of the sandbox.
import { renderStatus } from '../../core/render/status-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { failWith, warn } from '../report.ts';
import { look, print, printDocument } from '../terminal.ts';

export const status: CommandDefinition = defineCommand({
  name: 'status',
  aliases: ['ps'],
  summary: 'Show VMs as they are now',
  arguments: [],
  options: {},
  async run(context) {
    const checked = await context.services.status();
    if (!checked.ok) return failWith(context, checked.diagnostics);
    warn(context, checked.warnings);
    if (context.global.json) printDocument(context, checked.value);
    else print(context, renderStatus(checked.value, look(context)));
    return exitCodes.done;
  },
});
