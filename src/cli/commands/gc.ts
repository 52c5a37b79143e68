// sbx gc: shows what nobody needs any more, and removes it when told to.
import { renderGarbage } from '../../core/render/gc-model.ts';
import { counted } from '../../core/render/quantity.ts';
import { approval } from '../carry-out.ts';
import { type CommandContext, type CommandDefinition, defineCommand } from '../command.ts';
import { type ExitCode, exitCodes, exitOfDiagnostics } from '../exit.ts';
import { duration, flag } from '../option.ts';
import { report } from '../report.ts';
import type { FoundGarbage } from '../services.ts';
import { interruptible, look, print, printDocument } from '../terminal.ts';

export const gc: CommandDefinition = defineCommand({
  name: 'gc',
  summary: 'Remove expired sandboxes and what no state knows',
  details:
    'Shows what it found, then asks. Found are sandboxes whose lease is over, and processes, folders, reserved ports and unfinished images of sandboxes that are gone, also when every state is lost. Without a terminal or --auto-approve it only shows.',
  arguments: [],
  options: {
    autoApprove: flag('--auto-approve', 'do not ask'),
    dryRun: flag('--dry-run', 'only show'),
    purge: flag('--purge', 'volumes of sandboxes that are gone too'),
    lockTimeout: duration('--lock-timeout <duration>', 'how long to wait for another sbx, as in 30s (default 0s)'),
  },
  async run(context, { options }) {
    const garbage = await context.services.gc({ purge: options.purge });
    const { found, spared } = garbage.report;
    if (!context.global.json) print(context, renderGarbage(garbage.report, look(context)));
    const removes = found.length > 0 && !options.dryRun && (options.autoApprove || !context.global.json);
    if (!removes) {
      if (context.global.json) printDocument(context, { found, spared, removed: [], failures: [] });
      return exitCodes.done;
    }
    if (!options.autoApprove) {
      const answer = await approval(context, 'Remove all this?');
      if (answer !== undefined) return answer;
    }
    return await remove(context, garbage, options.lockTimeout);
  },
});

async function remove(context: CommandContext, garbage: FoundGarbage, lockTimeoutMs: number): Promise<ExitCode> {
  const { signal, off } = interruptible(context);
  try {
    const { removed, failures } = await garbage.remove({ lockTimeoutMs, signal });
    if (context.global.json) printDocument(context, { ...garbage.report, removed, failures });
    else print(context, `${counted(removed.length, 'thing')} removed.\n`);
    report(context.io, context.global, failures);
    if (signal.aborted) return exitCodes.interrupted;
    if (failures.length === 0) return exitCodes.done;
    return removed.length > 0 ? exitCodes.partial : exitOfDiagnostics(failures);
  } finally {
    off();
  }
}
