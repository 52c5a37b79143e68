// Ending a VM: the power button, then the VMM's own shutdown, then signals. At the end no process and no socket is left.
import { SbxError } from '../../core/errors.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { waitForEnd } from '../../host/processes.ts';
import type { VmRef } from '../driver.ts';
import { filesOf } from './argv.ts';
import { endAndClean, findProcess } from './process.ts';
import { type Limits, type Session, withSession } from './session.ts';

/** Asks the guest to power off, waits `graceMs`, then ends the VMM. Interrupted, it throws and leaves the guest to its power-off. */
export async function stop(ref: VmRef, graceMs: number, signal: AbortSignal, limits: Limits): Promise<void> {
  const files = filesOf(ref.paths);
  const process = findProcess(ref);
  if (process !== undefined) {
    const short = { ...limits, requestMs: Math.min(limits.requestMs, 5000) };
    await withSession(ref, short, async (session) => {
      if (graceMs > 0 && (await pressPowerButton(session)) && (await waitUnlessAborted(process, graceMs, signal)))
        return;
      await shutDownVmm(session, process);
    });
  }
  await endAndClean(files, [process, ref.process], { search: false });
}

/** Whether the guest was told. A paused guest hears nothing, so it is resumed first. */
async function pressPowerButton(session: Session): Promise<boolean> {
  try {
    const { state } = await session.info();
    if (state !== 'Running' && state !== 'Paused') return false;
    if (state === 'Paused') await session.client.put('vm.resume', undefined, session.limits.requestMs);
    await session.client.put('vm.power-button', undefined, session.limits.requestMs);
    return true;
  } catch {
    // A VMM that cannot be asked is ended the hard way just below, whatever the reason.
    return false;
  }
}

async function shutDownVmm(session: Session, process: ProcessRef): Promise<void> {
  try {
    await session.client.put('vmm.shutdown', undefined, session.limits.requestMs);
  } catch {
    // Below v39 the reply may be lost, and a hanging VMM gives none; signals follow.
    return;
  }
  await waitForEnd(process, 2000);
}

async function waitUnlessAborted(process: ProcessRef, graceMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    if (signal.aborted) {
      throw new SbxError('SBX5003', 'interrupted while the guest was powering off', { cause: signal.reason });
    }
    if (await waitForEnd(process, Math.min(200, deadline - performance.now()))) return true;
  }
  return false;
}
