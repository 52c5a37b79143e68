// Runs the shell script that is the peer of `sbx apply`, checks that all its VMs run, and ends what it started.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endLeftovers, makeFakeBin } from './fleet.ts';
import { BenchFailure, type Cost, measure } from './measure.ts';
import { getState } from './sockets.ts';

/** One run of the script with `vms` VMs in a new folder. */
export async function runScriptPeer(folder: string, vms: number, scratch: string): Promise<Cost> {
  makeFakeBin(folder);
  writeFileSync(join(folder, 'vmlinuz'), 'not a kernel\n');
  const script = join(import.meta.dirname, 'script-peer.sh');
  try {
    const env = { PATH: process.env['PATH'] ?? '' };
    const cost = measure({ argv: ['sh', script, String(vms), folder], cwd: folder, env }, scratch);
    for (let index = 0; index < vms; index++) {
      const state = await getState(join(folder, `${index}.sock`));
      if (state !== 'Running') throw new BenchFailure(`VM ${index} of the script is ${state}`);
    }
    return cost;
  } finally {
    await endLeftovers(folder);
  }
}
