// sbx show: what is recorded and what is observed, whole.
import { renderShow } from '../../core/render/show-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { toAddress } from '../option.ts';
import { failWith, warn } from '../report.ts';
import { look, print, printDocument } from '../terminal.ts';

export const show: CommandDefinition = defineCommand({
  name: 'show',
  summary: 'Show resources whole, recorded and observed',
  arguments: [{ name: '[address]', description: 'one resource, as in web[0] or network.lan' }],
  options: {},
  async run(context, { args: [text] }) {
    const checked = await context.services.show(text === undefined ? undefined : toAddress(text));
    if (!checked.ok) return failWith(context, checked.diagnostics);
    warn(context, checked.warnings);
    if (context.global.json) printDocument(context, checked.value);
    else print(context, renderShow(checked.value, look(context)));
    return exitCodes.done;
  },
});
