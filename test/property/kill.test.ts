// Kill anywhere: the real sbx is killed at a record of its journal, before and after the write, after the sync, or a moment later.
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { startHub } from '../fakes/cloud-hypervisor/install.ts';
import { makeChainHost } from '../support/chain.ts';
import { killTrials, runTrial } from '../support/kill-trial.ts';
import { program } from '../support/plan-host.ts';
import { cannotOpenSpaces, propertyOptions, soak } from '../support/property.ts';

t.setTimeout(soak ? 24 * 3600_000 : 15 * 60_000);
const skip = existsSync(program) ? cannotOpenSpaces() : 'needs the built sbx (npm run build)';

t.test('an apply that is killed anywhere is finished by the next one', { skip }, async (t) => {
  const options = propertyOptions({ few: 8, many: 180 });
  t.comment(`seed ${options.seed}, ${options.numRuns} homes`);
  const seen = new Map<string, number>();
  const hub = await startHub(`/tmp/sbxkill-${process.pid}.sock`);
  try {
    await t.resolves(
      fc.assert(
        fc.asyncProperty(
          killTrials({ rounds: 5 }),
          async (given) => await runTrial(await makeChainHost(hub), given, seen),
        ),
        options,
      ),
    );
  } finally {
    await hub.stop();
  }
  for (const [what, times] of [...seen].sort()) t.comment(`${what}: ${times}`);
  const killed = seen.get('killed') ?? 0;
  // A kill comes too late when the record that it waits for is never written: about one try in five.
  const wanted = options.numRuns * 4;
  t.ok(killed >= wanted, `${killed} of ${seen.get('tries')} tries were killed; ${wanted} are asked for`);
});
