// Ending a VM: the power button and the guest agent, then QEMU's own quit, then signals; no process, no file stays.
import { isSbxError } from '../../core/errors.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { endProcess, readStat, waitForEnd } from '../../host/processes.ts';
import type { VmRef } from '../driver.ts';
import { isAtWork, patienceFor, watch } from '../silence.ts';
import { connectQmp, type QmpConnection } from './client.ts';
import { toStatus } from './convert.ts';
import { qemuFiles } from './layout.ts';
import type { QemuLimits } from './limits.ts';
import { processOf, removeLeftovers } from './process.ts';
import { agentIsOpen, connectStream } from './streams.ts';

/** How long QEMU has for `quit` and for SIGTERM, each, in `ms`. */
const quitMs = 3000;

/** Stops a VM; one that does not run is tidied up after. Throws the reason of `signal` while the guest has its grace. */
export async function stopQemu(ref: VmRef, graceMs: number, signal: AbortSignal, limits: QemuLimits): Promise<void> {
  const process = processOf(ref);
  if (process !== undefined) {
    // What is stopped hears neither button nor quit.
    if (readStat(process.pid)?.stopped === true) await endProcess(process);
    else if (!(await powerOff(ref, process, graceMs, signal, limits))) await end(ref, process);
  }
  await removeLeftovers(ref.paths);
}

/**
 * Presses the power button until the guest has gone, true when it has. A press before the guest's driver is up is lost,
 * so it is repeated; a guest without such a driver may have an agent.
 */
async function powerOff(
  ref: VmRef,
  process: ProcessRef,
  graceMs: number,
  signal: AbortSignal,
  limits: QemuLimits,
): Promise<boolean> {
  const deadline = performance.now() + graceMs;
  for (let round = 0; performance.now() < deadline; round += 1) {
    signal.throwIfAborted();
    const watched = watch(() => process);
    const pressed = await talk(ref, patienceFor(qemuFiles(ref.paths).qmp, limits.observeMs), press);
    // Who is at work on a busy host hears the button later: as long as the grace lasts.
    const busy = isAtWork(watched.end());
    if (pressed === undefined && busy) continue;
    if (pressed === undefined) return waitForEnd(process, 0);
    if (round === 1) await askAgent(ref, limits);
    if (await waitForEnd(process, Math.min(limits.pressMs, deadline - performance.now()))) return true;
  }
  return false;
}

/** Presses once; undefined for a guest that no button can reach. */
async function press(connection: QmpConnection): Promise<boolean | undefined> {
  const [reply] = await connection.ask([{ execute: 'query-status' }]);
  const status = toStatus(reply);
  if (status !== 'running' && status !== 'paused') return undefined;
  // A paused guest cannot shut itself down.
  if (status === 'paused') await connection.must('cont');
  await connection.must('system_powerdown');
  return true;
}

async function end(ref: VmRef, process: ProcessRef): Promise<void> {
  const asked = await talk(ref, patienceFor(qemuFiles(ref.paths).qmp, quitMs), (connection) =>
    connection.ask([{ execute: 'quit' }]),
  );
  if (asked !== undefined && (await waitForEnd(process, quitMs))) return;
  await endProcess(process, quitMs);
}

/** Talks to QEMU; undefined when it does not answer, which the next, harder means takes care of. */
async function talk<T>(
  ref: VmRef,
  timeoutMs: number,
  work: (connection: QmpConnection) => Promise<T>,
): Promise<T | undefined> {
  let connection: QmpConnection | undefined;
  try {
    connection = await connectQmp(qemuFiles(ref.paths).qmp, { timeoutMs });
    return await work(connection);
  } catch (error) {
    if (isSbxError(error)) return undefined;
    throw error;
  } finally {
    connection?.close();
  }
}

/** Asks the guest agent to shut down. It answers nothing when it does; a sync first clears what others left half-said. */
async function askAgent(ref: VmRef, limits: QemuLimits): Promise<void> {
  const open = await talk(ref, limits.observeMs, agentIsOpen);
  if (open !== true) return;
  const stream = await connectStream(qemuFiles(ref.paths).agent, 'SBX8001').catch(() => undefined);
  if (stream === undefined) return;
  const words = [{ execute: 'guest-sync-delimited', arguments: { id: 1 } }, { execute: 'guest-shutdown' }];
  // It ends with QEMU itself: closed earlier, the last words could be lost.
  stream.on('error', () => undefined);
  stream.resume();
  stream.unref();
  stream.write(
    Buffer.concat([Buffer.of(0xff), Buffer.from(words.map((word) => `${JSON.stringify(word)}\n`).join(''))]),
  );
}
