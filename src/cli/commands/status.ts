// sbx status: the live table of the sandbox.
import { renderHome } from '../../core/render/home-text.ts';
import { renderStatus } from '../../core/render/status-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { flag } from '../option.ts';
import { failWith, warn } from '../report.ts';
import { look, print, printDocument } from '../terminal.ts';

export const status: CommandDefinition = defineCommand({
  name: 'status',
  aliases: ['ps'],
  summary: 'Show VMs as they are now',
  details: 'Needs neither values of variables nor a file that parses.',
  arguments: [],
  options: { all: flag('--all', 'every sandbox of this home: its folder, its VMs, its lease') },
  async run(context, { options }) {
    if (options.all) {
      const report = await context.services.statusAll();
      if (context.global.json) printDocument(context, report);
      else print(context, renderHome(report, look(context)));
      return exitCodes.done;
    }
    const checked = await context.services.status();
    if (!checked.ok) return failWith(context, checked.diagnostics);
    warn(context, checked.warnings);
    if (context.global.json) printDocument(context, checked.value);
    else print(context, renderStatus(checked.value, look(context)));
    return exitCodes.done;
  },
});
