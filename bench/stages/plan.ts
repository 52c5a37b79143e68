// `sbx plan` of running VMs, unchanged and with one edited, beside `terraform plan` of as many resources.
import { join } from 'node:path';
import { type Fleet, withFleet } from '../fleet.ts';
import { BenchFailure, type Command, type Cost, interleave, measure } from '../measure.ts';
import type { Missing, Row } from '../report.ts';
import { findSockets, put } from '../sockets.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { findTerraform, makeTerraformProject } from '../terraform.ts';

const defaultSizes = [1, 10, 100, 1000, 5000];

/** Wall time and peak memory of plan at each size. */
export async function plan(context: StageContext): Promise<StageResult> {
  const rows: Row[] = [];
  const missing: Missing[] = [];
  const terraform = findTerraform();
  if (terraform === undefined) missing.push({ stage: 'plan', name: 'terraform plan', reason: 'no terraform on PATH' });
  for (const vms of context.sizes ?? defaultSizes) {
    context.say(`plan: applying ${vms} VMs on fakes`);
    try {
      await withFleet(context, { vms }, async (fleet) => {
        for (const edited of [false, true]) {
          context.say(`plan: ${vms} VMs, ${edited ? 'one edited' : 'unchanged'}`);
          rows.push(...compare(context, fleet, edited, terraform));
        }
        await seeChangeBehindBack(context, fleet);
      });
    } catch (error) {
      // The other sizes are worth knowing all the same.
      missing.push({
        stage: 'plan',
        name: `${vms} VMs`,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
  return { rows, missing };
}

function compare(context: StageContext, fleet: Fleet, edited: boolean, terraform: string | undefined): readonly Row[] {
  const sbx = checked(
    fleet.command(['plan', '-f', edited ? fleet.editedFile : fleet.file, '--vmm', 'cloud-hypervisor']),
    edited ? /^Plan: 0 to create, 1 to change\b.*\b0 to destroy\./m : /^No changes\./m,
    context.scratch,
  );
  const runs = fleet.vms >= 1000 ? 3 : 11;
  const name = `sbx plan, ${fleet.vms} VMs${edited ? ', one edited' : ''}`;
  if (terraform === undefined) {
    const { own } = interleave({ own: sbx }, runs);
    return [row(`${name}: time`, 'ms', own.wallMs), row(`${name}: memory`, 'MiB', own.peakRssMib)];
  }
  const peer = checked(
    makeTerraformProject(join(context.scratch, `tf-${fleet.vms}-${edited}`), fleet.vms, terraform, edited),
    edited ? /^Plan: 0 to add, 1 to change, 0 to destroy\.$/m : /^No changes\./m,
    context.scratch,
  );
  const { own, other } = interleave({ own: sbx, other: peer }, runs);
  return [
    row(`${name}: time`, 'ms', own.wallMs, other.wallMs, timeTargets[fleet.vms]),
    row(`${name}: memory`, 'MiB', own.peakRssMib, other.peakRssMib, fleet.vms >= 1000 ? 0.5 : undefined),
  ];
}

/** Highest ratio of sbx's wall time to Terraform's, by number of VMs. */
const timeTargets: Readonly<Record<number, number>> = { 10: 1.5, 1000: 1 / 3, 5000: 1 / 6 };

function row(name: string, unit: Row['unit'], value: number, peer?: number, target?: number): Row {
  return {
    stage: 'plan',
    name,
    unit,
    value,
    ...(peer === undefined ? {} : { floor: { name: 'terraform plan', value: peer } }),
    ...(target === undefined ? {} : { target }),
  };
}

function checked(command: Command, expected: RegExp, scratch: string): () => Cost {
  return () => {
    const cost = measure(command, scratch);
    if (!expected.test(cost.stdout)) {
      throw new BenchFailure(`${command.argv.slice(-5).join(' ')} printed: ${cost.stdout.slice(-2000)}`);
    }
    return cost;
  };
}

/** Pauses one VM past sbx; the plan must see it, whatever is cached. */
async function seeChangeBehindBack(context: StageContext, fleet: Fleet): Promise<void> {
  const sockets = findSockets(fleet.home);
  if (sockets.length !== fleet.vms) throw new BenchFailure(`${sockets.length} sockets for ${fleet.vms} VMs`);
  const socket = sockets[Math.floor(sockets.length / 2)] ?? '';
  const command = fleet.command(
    ['plan', '-f', fleet.file, '--vmm', 'cloud-hypervisor', '--detailed-exitcode'],
    [0, 2, 8],
  );
  await put(socket, 'vm.pause');
  const seen = measure(command, context.scratch).stdout;
  await put(socket, 'vm.resume');
  if (!/paused/.test(seen))
    throw new BenchFailure(`a VM was paused behind sbx's back, and plan said: ${seen.slice(-2000)}`);
}
