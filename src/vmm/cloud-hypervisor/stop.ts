// Ending a VM: the power button, then the VMM's own shutdown, then signals. At the end no process and no socket is left.
import { isSbxError, SbxError } from '../../core/errors.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { isAlive, readStat, waitForEnd } from '../../host/processes.ts';
import type { VmRef } from '../driver.ts';
import { isAtWork, patienceFor, watch } from '../silence.ts';
import { filesOf } from './argv.ts';
import { endAndClean, findProcess, findServing } from './process.ts';
import { type Limits, type Session, withSession } from './session.ts';

/** How long a VMM that is to end may take to answer, in `ms`; it is killed otherwise. */
const answerMs = 3000;

/** Asks the guest to power off, waits `graceMs`, then ends the VMM. Interrupted, it throws and leaves the guest to its power-off. */
export async function stop(ref: VmRef, graceMs: number, signal: AbortSignal, limits: Limits): Promise<void> {
  const files = filesOf(ref.paths);
  // Whoever emptied the folder took the mark of the process too: before nothing is left, all of /proc is asked.
  const process = findProcess(ref) ?? findServing(files)[0];
  if (process !== undefined) {
    const requestMs = patienceFor(files.apiSocket, Math.min(limits.requestMs, answerMs));
    const short = { ...limits, requestMs };
    await withSession(ref, short, async (session) => {
      // What is stopped cannot answer.
      if (readStat(process.pid)?.stopped === true) return;
      const answers = graceMs === 0 || (await powerOff(session, process, graceMs, signal));
      if (answers && isAlive(process)) await shutDownVmm(session, process);
    });
  }
  await endAndClean(files, [process, ref.process], { search: false });
}

/** Presses the power button and waits; false when the VMM does not answer. One at work on a busy host is asked again while the grace lasts. */
async function powerOff(session: Session, process: ProcessRef, graceMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const watched = watch(() => process);
    const pressed = await press(session).finally(() => watched.end());
    if (pressed === 'pressed') break;
    if (pressed === 'refused') return true;
    if (!isAtWork(watched.end()) || performance.now() >= deadline) return false;
    if (signal.aborted) throw interrupted(signal);
  }
  await waitUnlessAborted(process, deadline - performance.now(), signal);
  return true;
}

/** A paused guest hears nothing, so it is resumed first. A VM that cannot be asked is ended the hard way, whatever the reason. */
async function press(session: Session): Promise<'pressed' | 'refused' | 'silent'> {
  try {
    const { state } = await session.info();
    if (state === 'Paused') await session.client.put('vm.resume', undefined, session.limits.requestMs);
    await session.client.put('vm.power-button', undefined, session.limits.requestMs);
    return 'pressed';
  } catch (error) {
    // Asking a mute VMM again only takes time.
    return isSbxError(error) && error.code === 'SBX5002' ? 'refused' : 'silent';
  }
}

function interrupted(signal: AbortSignal): SbxError {
  return new SbxError('SBX5003', 'interrupted while the guest was powering off', { cause: signal.reason });
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

async function waitUnlessAborted(process: ProcessRef, graceMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    if (signal.aborted) throw interrupted(signal);
    if (await waitForEnd(process, Math.min(200, deadline - performance.now()))) return;
  }
}
