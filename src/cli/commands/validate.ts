// sbx validate: schema and meaning of the file, without looking at the host.

import { boundedDiagnostics } from '../../core/render/diagnostics.ts';
import { sandboxTitle } from '../../core/render/plan-model.ts';
import { counted } from '../../core/render/quantity.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { failWith, warn } from '../report.ts';
import { print, printDocument } from '../terminal.ts';

export const validate: CommandDefinition = defineCommand({
  name: 'validate',
  summary: 'Check the sandbox file, without touching this host',
  arguments: [],
  options: {},
  async run(context) {
    const loaded = await context.services.loadDesired();
    if (context.global.json) {
      const diagnostics = loaded.ok ? loaded.warnings : loaded.diagnostics;
      printDocument(context, { valid: loaded.ok, diagnostics: boundedDiagnostics(diagnostics) });
      return loaded.ok ? exitCodes.done : exitCodes.invalidFile;
    }
    if (!loaded.ok) return failWith(context, loaded.diagnostics);
    warn(context, loaded.warnings);
    const { desired } = loaded.value;
    print(context, `${sandboxTitle(desired)} is valid: ${counted(desired.resources.size, 'resource')}.\n`);
    return exitCodes.done;
  },
});
