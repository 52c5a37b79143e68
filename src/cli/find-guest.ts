// A recorded VM with the ways into it, and whether there is anybody to reach.
import type { Address } from '../core/address.ts';
import { SbxError } from '../core/errors.ts';
import type { VmObservation } from '../core/observed.ts';
import type { SandboxRecord, VmRecord } from '../core/state/state.ts';
import { sandboxKeys } from '../guest/sandbox-keys.ts';
import type { SshTarget } from '../guest/ssh.ts';
import { enterArgv, spaceOf } from '../host/space.ts';
import type { SandboxLayout } from '../store/home.ts';
import type { VmmDriver, VmRef } from '../vmm/driver.ts';
import { openSandbox } from './loading.ts';
import { findVm, shellOf, type Workplace } from './session.ts';

/** A recorded VM with the ways into it. */
export interface Guest {
  readonly record: VmRecord;
  readonly layout: SandboxLayout;
  readonly driver: VmmDriver;
  readonly ref: VmRef;
  /** How ssh reaches it; absent without a network that this host can enter */
  readonly ssh?: SshTarget;
}

/** The VM of an applied sandbox. Throws SBX3140 when there is none of that address. */
export async function findGuest(workplace: Workplace, vm: Address): Promise<Guest> {
  const opened = await openSandbox(workplace, { needsFile: false, takeOver: true });
  if (!opened.ok) {
    const [first] = opened.diagnostics;
    // How to do without the file helps more than how to mend it.
    const { hint } = opened.diagnostics.find(({ code }) => code === 'SBX4031') ?? first;
    throw new SbxError(first.code, first.detail, hint === undefined ? {} : { hint });
  }
  const { layout, snapshot } = opened.value;
  const records = snapshot.state?.resources ?? [];
  const record = findVm(
    records.filter((candidate): candidate is VmRecord => candidate.kind === 'vm'),
    vm,
  );
  if (record === undefined) {
    throw new SbxError('SBX3140', `${vm} is not a VM of "${layout.id}" as it was applied`, {
      hint: 'See what there is with:\nsbx status',
    });
  }
  const shell = shellOf(workplace, layout, { wait: false });
  const { process } = record.facts;
  const ref: VmRef = { paths: layout.vmPaths(record.address), ...(process === undefined ? {} : { process }) };
  const target = sshTarget(
    record,
    records.find((candidate): candidate is SandboxRecord => candidate.kind === 'sandbox'),
    layout,
  );
  return {
    record,
    layout,
    driver: await shell.driver(record.attrs.driver),
    ref,
    ...(target === undefined ? {} : { ssh: target }),
  };
}

function sshTarget(record: VmRecord, sandbox: SandboxRecord | undefined, layout: SandboxLayout): SshTarget | undefined {
  const space = sandbox === undefined ? undefined : spaceOf(sandbox.facts);
  const [nic] = Object.values(record.attrs.nics);
  if (space === undefined || nic === undefined) return undefined;
  const { userKeyPath, knownHostsPath } = sandboxKeys(layout.keysDir);
  return { enter: enterArgv(space), ip: nic.ip, keyPath: userKeyPath, knownHostsPath };
}

/** Throws SBX8015 when nobody in the VM can answer: it is off, or held. A VMM that does not tell is no reason to give up. */
export async function mustRun({ driver, ref, record }: Guest): Promise<void> {
  const seen = await driver.observe(ref);
  const why = whyOff(seen, record);
  if (why !== undefined) throw new SbxError('SBX8015', why.detail, { hint: why.hint });
}

/** Why nobody in a VM can answer, and the way to change that; undefined when somebody may. */
export function whyOff(
  seen: VmObservation,
  { address, attrs }: Pick<VmRecord, 'address' | 'attrs'>,
): { readonly detail: string; readonly hint: string } | undefined {
  const start = { hint: `Start it with:\nsbx start ${address}` };
  switch (seen.state) {
    case 'running':
    case 'unresponsive':
    // A VMM that lost its socket runs its guest all the same.
    case 'lost':
      return undefined;
    case 'blocked':
      return {
        detail: `${address} is held: ${seen.reason}.`,
        hint: 'Make room on the disk of the home, and let it go on with:\nsbx apply',
      };
    case 'paused':
      return { detail: `${address} is paused: nothing in it runs.`, hint: 'Let it go on with:\nsbx apply' };
    case 'exited':
      // `start` ends a hold; of one that may stay off only a restart asks for more.
      return {
        detail: `${address} is off: its guest powered itself off.`,
        hint: attrs.onExit === 'keep' ? `Start it again with:\nsbx restart ${address}` : start.hint,
      };
    case 'absent':
      return attrs.hold
        ? { detail: `${address} is off: sbx stop holds it.`, ...start }
        : { detail: `${address} is off.`, hint: 'Start it as the file says with:\nsbx apply' };
    case 'dead':
    case 'halted':
      return { detail: `${address} does not run: ${seen.reason}.`, ...start };
  }
}
