// Reading live sockets: the driver's `observe` of every VM beside a bare node:net loop, each as a bundled program.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { withFleet } from '../fleet.ts';
import { BenchFailure, interleave, measure } from '../measure.ts';
import type { Row } from '../report.ts';
import { findSockets } from '../sockets.ts';
import type { StageContext, StageResult } from '../stage.ts';

const defaultSizes = [100, 1000, 5000];

/** Time to read all sockets of a fleet once, start of the process included. */
export async function sockets(context: StageContext): Promise<StageResult> {
  const programs = join(context.scratch, 'readers');
  await build({
    entryPoints: ['driver', 'bare'].map((name) => join(import.meta.dirname, `../readers/${name}.ts`)),
    outdir: programs,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
  });
  const rows: Row[] = [];
  for (const vms of context.sizes ?? defaultSizes) {
    context.say(`sockets: ${vms} VMs`);
    rows.push(await withFleet(context, { vms }, async (fleet) => readFleet(context, fleet.home, vms, programs)));
  }
  return { rows, missing: [] };
}

function readFleet(context: StageContext, home: string, vms: number, programs: string): Row {
  const list = join(context.scratch, 'sockets.json');
  writeFileSync(list, JSON.stringify(findSockets(home)));
  const read = (name: string) => () => {
    const argv = [process.execPath, join(programs, `${name}.cjs`), list];
    const cost = measure({ argv, cwd: context.scratch, env: { PATH: process.env['PATH'] ?? '' } }, context.scratch);
    if (cost.stdout !== `${vms} running\n`) throw new BenchFailure(`${name} reader printed: ${cost.stdout}`);
    return cost;
  };
  const { own, bare } = interleave({ own: read('driver'), bare: read('bare') }, 5);
  const floor = { name: 'bare node:net loop', value: bare.wallMs };
  return { stage: 'sockets', name: `reading ${vms} sockets`, unit: 'ms', value: own.wallMs, floor };
}
