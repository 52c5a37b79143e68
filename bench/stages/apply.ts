// `sbx apply` on fakes: its own CPU per VM as the number grows, and its time beside a shell script that does the same.
import { join } from 'node:path';
import { withFleet } from '../fleet.ts';
import { medianCost } from '../measure.ts';
import type { Row } from '../report.ts';
import { runScriptPeer } from '../script-peer.ts';
import type { StageContext, StageResult } from '../stage.ts';

const sizes = { few: 100, many: 1000, beside: 20 };

/** CPU per VM at 1000 over that at 100; 20 VMs beside the script. */
export async function apply(context: StageContext): Promise<StageResult> {
  const few = await cpuPerVm(context, sizes.few, 3);
  const many = await cpuPerVm(context, sizes.many, 1);
  const rows: Row[] = [
    {
      stage: 'apply',
      name: `sbx apply, own CPU per VM at ${sizes.many}`,
      unit: 'ms',
      value: many,
      floor: { name: `at ${sizes.few}`, value: few },
      target: 1.2,
    },
  ];
  context.say(`apply: ${sizes.beside} VMs beside a script`);
  const own = [];
  const script = [];
  for (let run = 0; run < 5; run++) {
    own.push(await withFleet(context, { vms: sizes.beside }, async (fleet) => fleet.applied));
    script.push(await runScriptPeer(join(context.scratch, `s${run}`), sizes.beside, context.scratch));
  }
  rows.push({
    stage: 'apply',
    name: `sbx apply, ${sizes.beside} VMs`,
    unit: 'ms',
    value: medianCost(own).wallMs,
    floor: { name: 'script with curl', value: medianCost(script).wallMs },
    target: 1.2,
  });
  return { rows, missing: [] };
}

async function cpuPerVm(context: StageContext, vms: number, runs: number): Promise<number> {
  const costs = [];
  for (let run = 0; run < runs; run++) {
    context.say(`apply: ${vms} VMs on fakes`);
    costs.push(await withFleet(context, { vms }, async (fleet) => fleet.applied));
  }
  return medianCost(costs).ownCpuMs / vms;
}
