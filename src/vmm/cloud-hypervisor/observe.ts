// Reading one VM: the socket first, the process only when the socket does not answer. Runs for every VM on every plan.
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import type { VmObservation } from '../../core/observed.ts';
import { bootId, isAlive, isEnding, waitForEnd } from '../../host/processes.ts';
import type { ObserveOptions, VmRef } from '../driver.ts';
import { isAtWork, noteSilence, patienceFor, unresponsive, watch } from '../silence.ts';
import { describeRefusal, kindOfRefusal, toRefusal } from './api-error.ts';
import { apiSocketOf, filesOf, type VmFiles } from './argv.ts';
import { toVmShape } from './convert.ts';
import { findProcess, findServing } from './process.ts';
import { describeRead, infoOf, readPatiently } from './session.ts';

/**
 * What the VM is in now. Never throws for that; one connection, no process is looked at while the socket answers. A silence that
 * was waited for before is not waited for again, unless `patient` asks for a longer look.
 */
export async function observe(
  ref: VmRef,
  timeoutMs: number,
  { patient = false }: ObserveOptions = {},
): Promise<VmObservation> {
  const socket = apiSocketOf(ref.paths);
  const watched = watch(() => findProcess(ref));
  const limitMs = patient ? timeoutMs * 3 : patienceFor(socket, timeoutMs);
  const read = await readPatiently(socket, '/api/v1/vm.info', limitMs, watched.signal);
  const seen = watched.end();
  noteSilence(socket, read.type === 'timeout' && !isAtWork(seen));
  switch (read.type) {
    case 'reply':
      return fromReply(ref, read.status, read.text);
    case 'absent':
      return withoutSocket(ref, filesOf(ref.paths));
    case 'refused':
      return withDeadSocket(ref);
    case 'timeout':
      return unresponsive(describeRead(read, timeoutMs), seen);
    case 'garbled':
    case 'failed':
      return { state: 'unresponsive', reason: describeRead(read, timeoutMs) };
    case 'busy':
      // A VMM that is just ending breaks connections too.
      return afterBrokenConnection(ref, filesOf(ref.paths), read.reason);
  }
}

/** A process is recorded when its start has ended well: what was undone since then was undone from outside. */
function fromReply({ process }: VmRef, status: number, text: string): VmObservation {
  const why = (outside: string): string => (process === undefined ? 'a start was cut short' : outside);
  if (status !== 200) {
    const refusal = toRefusal(status, text);
    return kindOfRefusal(refusal) === 'no-vm'
      ? { state: 'halted', reason: `its VMM runs but holds no VM: ${why('it was deleted from outside')}` }
      : { state: 'unresponsive', reason: `it refuses to tell its state: ${describeRefusal(refusal)}` };
  }
  const info = infoOf(text);
  if (info === undefined) return { state: 'unresponsive', reason: 'its answer is no state of a VM' };
  switch (info.state) {
    case 'Running':
      return { state: 'running', ...toVmShape(info) };
    case 'Paused':
    case 'BreakPoint':
      return { state: 'paused', ...toVmShape(info) };
    case 'Created':
    case 'Shutdown':
      return {
        state: 'halted',
        reason: `its VMM runs but the VM is not booted: ${why('it was shut down from outside')}`,
      };
    default:
      return { state: 'unresponsive', reason: `it is in the unknown state ${JSON.stringify(info.state)}` };
  }
}

async function withoutSocket(ref: VmRef, files: VmFiles): Promise<VmObservation> {
  if (ref.process === undefined) {
    // The mark is there from before the spawn: without it no process of this VM was ever started.
    const found = existsSync(files.intent) ? findServing(files)[0] : undefined;
    return found === undefined
      ? { state: 'absent' }
      : { state: 'lost', reason: `its VMM (pid ${found.pid}) runs but has no socket` };
  }
  if (ref.process.bootId !== bootId()) return { state: 'dead', reason: 'the host was started anew since' };
  // A VMM removes its socket a moment before it ends.
  if (isAlive(ref.process) && !(await waitForEnd(ref.process, 1000))) {
    return { state: 'lost', reason: `its VMM (pid ${ref.process.pid}) runs but its socket is gone` };
  }
  return endedCleanly(files)
    ? { state: 'exited' }
    : { state: 'dead', reason: 'its VMM was killed or crashed, and its socket is gone' };
}

function withDeadSocket(ref: VmRef): VmObservation {
  const process = findProcess(ref);
  return process === undefined
    ? { state: 'dead', reason: 'its VMM ended without cleaning up: it was killed or crashed' }
    : { state: 'lost', reason: `its VMM (pid ${process.pid}) runs but does not listen` };
}

async function afterBrokenConnection(ref: VmRef, files: VmFiles, reason: string): Promise<VmObservation> {
  if (ref.process !== undefined && (await isEnding(ref.process))) {
    return existsSync(files.apiSocket) ? withDeadSocket(ref) : withoutSocket(ref, files);
  }
  return { state: 'unresponsive', reason };
}

/**
 * Whether the last events of the VMM tell of its own end: written on a clean one only. That of its VM alone is no such end:
 * it may have been shut down over the socket. A log that is not there is not asked.
 */
function endedCleanly(files: VmFiles): boolean {
  const tail = tailOf(files.eventsLog, 2048);
  return tail === undefined || /"source":\s*"vmm",\s*"event":\s*"shutdown"/.test(tail);
}

function tailOf(path: string, bytes: number): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8');
  } finally {
    closeSync(file);
  }
}
