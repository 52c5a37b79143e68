// A fleet of running VMs on fake VMMs: made by a real `sbx apply`, ended by `sbx destroy`. The fakes are small processes in
// front of one hub, so that their own cost stays out of the way.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeFleetFile } from './fleet-file.ts';
import { BenchFailure, type Command, type Cost, measure } from './measure.ts';
import { type StageContext, sbxCommand, sbxEnvironment } from './stage.ts';

export interface Fleet {
  readonly vms: number;
  readonly file: string;
  /** The same with one VM edited */
  readonly editedFile: string;
  readonly home: string;
  /** What the apply cost that made it */
  readonly applied: Cost;
  /** Any sbx command on this fleet's home */
  readonly command: (args: readonly string[], codes?: readonly number[]) => Command;
}

export interface FleetOptions {
  readonly vms: number;
  readonly perNetwork?: number;
}

const fakes = join(import.meta.dirname, '../test/fakes/cloud-hypervisor');
let fleets = 0;

/** Applies a fleet. `use` gets it while it runs; afterwards it is destroyed, and no process of it may be left. */
export async function withFleet<T>(
  context: StageContext,
  options: FleetOptions,
  use: (fleet: Fleet) => Promise<T>,
): Promise<T> {
  fleets += 1;
  const folder = join(context.scratch, `f${fleets}`);
  const home = join(folder, 'h');
  const bin = makeFakeBin(folder);
  const file = writeFleetFile(folder, options);
  const editedFile = writeFleetFile(folder, { ...options, edited: true });
  // The fakes need no KVM; sbx would look for it.
  const env = { ...sbxEnvironment(home, bin), SBX_KVM: 'assume' };
  const command = (args: readonly string[], codes: readonly number[] = [0]): Command =>
    sbxCommand(context, args, { cwd: folder, env, codes });
  const apply = ['apply', '-f', file, '--auto-approve', '--vmm', 'cloud-hypervisor'];
  try {
    const applied = measure(command(apply), context.scratch);
    return await use({ vms: options.vms, file, editedFile, home, applied, command });
  } finally {
    measure(command(['destroy', '-f', file, '--auto-approve', '--vmm', 'cloud-hypervisor'], anyCode), context.scratch);
    await endLeftovers(folder);
  }
}

const anyCode = Array.from({ length: 256 }, (_, code) => code);

/** `cloud-hypervisor` on a PATH of its own, with its settings and its hub beside it. */
export function makeFakeBin(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(join(fakes, 'cloud-hypervisor'), join(bin, 'cloud-hypervisor'));
  writeFileSync(join(bin, 'fake.conf'), `FAKE_CH_VERSION=53.0\nFAKE_CH_NODE=${process.execPath}\n`);
  return bin;
}

/** Ends the processes that name this folder on their command line; says so when there were any but the hub. */
export async function endLeftovers(folder: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const left = processesNaming(folder);
    if (left.length === 0) return;
    for (const { pid } of left) killIfThere(pid);
    if (performance.now() > deadline) throw new BenchFailure(`still there: ${left.map(({ argv }) => argv).join('; ')}`);
    await delay(50);
  }
}

function processesNaming(folder: string): readonly { readonly pid: number; readonly argv: string }[] {
  const found = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const argv = readIfThere(`/proc/${name}/cmdline`).replaceAll('\0', ' ');
    if (Number(name) !== process.pid && argv.includes(`${folder}/`)) found.push({ pid: Number(name), argv });
  }
  return found;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone since it was listed.
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended meanwhile.
    return '';
  }
}
