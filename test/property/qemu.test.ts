// A sample of fixpoint and of kill-anywhere on real QEMU with real guests; what the host shows is asked over a QMP client of the
// tests' own. The long forms run over the fake VMM.
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { applyAll } from '../support/chain.ts';
import { chains, filesOf } from '../support/generated-files.ts';
import { type KillCounts, killTrials, runTrial } from '../support/kill-trial.ts';
import { program } from '../support/plan-host.ts';
import { cannotOpenSpaces, propertyOptions, soak } from '../support/property.ts';
import { makeQemuChainHost } from '../support/qemu-host.ts';
import { Tally } from '../support/tally.ts';
import { cannotBoot, tinyImage } from '../support/tiny-image.ts';

t.setTimeout(soak ? 24 * 3600_000 : 15 * 60_000);
const skip = existsSync(program) ? cannotBoot() || cannotOpenSpaces() : 'needs the built sbx (npm run build)';

t.test('on QEMU too an apply is followed by an empty plan and a host that shows the file', { skip }, async (t) => {
  const image = await tinyImage();
  const options = propertyOptions({ few: 1, many: 40 });
  t.comment(`seed ${options.seed}`);
  const tally = new Tally();
  const property = fc.asyncProperty(chains(10), (chain) => applyAll(makeQemuChainHost(image), filesOf(chain), tally));
  await t.resolves(fc.assert(property, options));
  for (const line of tally.lines()) t.comment(line);
});

t.test('on QEMU too an apply that is killed is finished by the next one', { skip }, async (t) => {
  const image = await tinyImage();
  const options = propertyOptions({ few: 1, many: 40 });
  t.comment(`seed ${options.seed}`);
  const seen: KillCounts = new Map();
  const property = fc.asyncProperty(killTrials({ rounds: 4 }), (given) =>
    runTrial(makeQemuChainHost(image), given, seen),
  );
  await t.resolves(fc.assert(property, options));
  for (const [what, times] of [...seen].sort()) t.comment(`${what}: ${times}`);
  t.ok((seen.get('killed') ?? 0) >= Math.min(2, options.numRuns * 2), `${seen.get('killed')} were killed`);
});
