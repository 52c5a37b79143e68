// What a VM is in now: its process, its files, and one pass of questions over its socket.
import { describeError, errnoOf, isSbxError } from '../../core/errors.ts';
import type { VmObservation } from '../../core/observed.ts';
import { bootId, isEnding, waitForEnd } from '../../host/processes.ts';
import type { ObserveOptions, VmRef } from '../driver.ts';
import { isAtWork, noteSilence, patienceFor, type Seen, unresponsive, watch } from '../silence.ts';
import { QmpTimeout, queryQmp } from './client.ts';
import { shapeRequests, toShape, toStatus } from './convert.ts';
import { qemuFiles } from './layout.ts';
import { hasLeftovers, lastWords, processOf } from './process.ts';

/**
 * Observes a VM; whatever it is in is an answer. The socket is asked first: only where nobody listens do processes tell, since
 * those of other pid namespaces are not seen. A silence that was waited for before is not waited for again.
 */
export async function observeQemu(
  ref: VmRef,
  timeoutMs: number,
  { patient = false }: ObserveOptions = {},
): Promise<VmObservation> {
  const socket = qemuFiles(ref.paths).qmp;
  const watched = watch(() => processOf(ref));
  const limitMs = patient ? timeoutMs * 3 : patienceFor(socket, timeoutMs);
  try {
    const questions = [{ execute: 'query-status' }, ...shapeRequests];
    const [first, ...rest] = await queryQmp(socket, questions, limitMs, watched.signal);
    noteSilence(socket, false);
    return fromStatus(toStatus(first), toShape(rest));
  } catch (error) {
    return await withoutAnswer(ref, error, watched.end(), timeoutMs);
  } finally {
    watched.end();
  }
}

async function withoutAnswer(
  ref: VmRef,
  error: unknown,
  seen: Seen | undefined,
  timeoutMs: number,
): Promise<VmObservation> {
  // It may have ended while it was asked, or be about to.
  const process = processOf(ref);
  if (process === undefined || (await isEnding(process))) return withoutProcess(ref);
  const errno = isSbxError(error) ? errnoOf(error.cause) : undefined;
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    // It removes its socket a moment before it ends.
    return (await waitForEnd(process, 1000))
      ? withoutProcess(ref)
      : { state: 'lost', reason: `QEMU (pid ${process.pid}) runs, but its socket is gone` };
  }
  if (!(error instanceof QmpTimeout) && seen?.activity !== 'stopped')
    return { state: 'unresponsive', reason: describeError(error) };
  noteSilence(qemuFiles(ref.paths).qmp, !isAtWork(seen));
  return unresponsive(`QEMU does not answer within ${timeoutMs} ms`, seen);
}

/** QEMU removes its files at every clean end, and a panicked guest is held: files that stayed tell of a crash. */
async function withoutProcess(ref: VmRef): Promise<VmObservation> {
  const recorded = ref.process;
  if (recorded !== undefined && recorded.bootId !== bootId())
    return { state: 'dead', reason: 'the host was started anew since' };
  if (hasLeftovers(ref.paths)) {
    const words = await lastWords(ref.paths);
    return {
      state: 'dead',
      reason: `QEMU was killed or crashed${words === undefined ? '' : `; its log ends: ${words}`}`,
    };
  }
  return recorded === undefined ? { state: 'absent' } : { state: 'exited' };
}

/** Run states: "QEMU QMP Reference Manual", RunState. */
function fromStatus(status: string | undefined, shape: ReturnType<typeof toShape>): VmObservation {
  switch (status) {
    case 'guest-panicked':
      return { state: 'halted', reason: "the guest's kernel panicked; see the serial log" };
    case 'internal-error':
      return { state: 'halted', reason: 'QEMU stopped the guest after an internal error' };
    case 'shutdown':
      return { state: 'halted', reason: 'the guest has ended and QEMU waits' };
    case undefined:
      return { state: 'unresponsive', reason: 'QEMU does not say what state the VM is in' };
  }
  if (shape === undefined) return { state: 'unresponsive', reason: 'QEMU does not say what the VM has' };
  if (status === 'io-error') return { ...shape, state: 'blocked', reason: 'a disk write failed for want of room' };
  return { ...shape, state: status === 'running' ? 'running' : 'paused' };
}
