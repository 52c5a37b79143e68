// sbx output: the outputs of the file, for people and scripts.
import { diagnostic } from '../../core/diagnostic.ts';
import { outputText, renderOutputs } from '../../core/render/host-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { failWith, warn } from '../report.ts';
import { print, printDocument } from '../terminal.ts';

export const output: CommandDefinition = defineCommand({
  name: 'output',
  summary: 'Print the outputs of the file',
  details: 'With a name it prints the bare value, also of a sensitive output.',
  arguments: [{ name: '[name]', description: 'one output' }],
  options: {},
  async run(context, { args: [name] }) {
    const checked = await context.services.outputs();
    if (!checked.ok) return failWith(context, checked.diagnostics);
    warn(context, checked.warnings);
    const outputs = checked.value;
    if (name === undefined) {
      if (context.global.json) printDocument(context, { outputs: Object.fromEntries(outputs) });
      else print(context, renderOutputs(outputs));
      return exitCodes.done;
    }
    const found = outputs.get(name);
    if (found === undefined) {
      const known = [...outputs.keys()].join(', ');
      const hint = known === '' ? 'The file has no outputs.' : `There are: ${known}.`;
      return failWith(context, [diagnostic('SBX0005', { detail: `"${name}" is not an output.`, hint })]);
    }
    if (context.global.json) printDocument(context, { name, ...found });
    else print(context, `${outputText(found.value)}\n`);
    return exitCodes.done;
  },
});
