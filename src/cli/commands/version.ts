// sbx version: of sbx and of what runs it.
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { print, printDocument } from '../terminal.ts';
import { sbxVersion } from '../version.ts';

export const version: CommandDefinition = defineCommand({
  name: 'version',
  summary: 'Print the version',
  arguments: [],
  options: {},
  async run(context) {
    if (context.global.json) printDocument(context, { sbx: sbxVersion, node: process.versions.node });
    else print(context, `sbx ${sbxVersion} on Node ${process.versions.node}\n`);
    return exitCodes.done;
  },
});
