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
  details:
    'Needs no values for variables without a default: what depends on them is checked as far as it can be without.',
  arguments: [],
  options: {},
  async run(context) {
    const loaded = await context.services.loadDesired();
    if (context.global.json) {
      const diagnostics = loaded.ok ? loaded.warnings : loaded.diagnostics;
      const unknown = (loaded.ok ? loaded.value.unknown : undefined) ?? [];
      printDocument(context, {
        valid: loaded.ok,
        diagnostics: boundedDiagnostics(diagnostics),
        ...(unknown.length === 0 ? {} : { unknown }),
      });
      return loaded.ok ? exitCodes.done : exitCodes.invalidFile;
    }
    if (!loaded.ok) return failWith(context, loaded.diagnostics);
    warn(context, loaded.warnings);
    const { desired, unknown = [] } = loaded.value;
    const open = unknown.length === 0 ? '' : ` Checked without a value of ${unknown.join(', ')}.`;
    print(context, `${sandboxTitle(desired)} is valid: ${counted(desired.resources.size, 'resource')}.${open}\n`);
    return exitCodes.done;
  },
});
