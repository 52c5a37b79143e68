// Starting a QEMU: process, answering socket, running guest; or an error that says why, and nothing left.
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, errnoOf, isSbxError, SbxError } from '../../core/errors.ts';
import type { Capabilities } from '../../core/plan/capabilities.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { isListening } from '../../host/listening.ts';
import { keepFormerLog, logLength } from '../../host/log-end.ts';
import { endProcess, plainRef, spawnDetached } from '../../host/processes.ts';
import type { StartContext, Started, VmPaths, VmSpec } from '../driver.ts';
import { qemuArgv } from './argv.ts';
import { connectQmp, queryQmp } from './client.ts';
import { toStatus } from './convert.ts';
import { qemuFiles } from './layout.ts';
import type { QemuLimits } from './limits.ts';
import { lastWords, processOf, removeLeftovers } from './process.ts';

/** `sun_path` of unix(7), less its closing zero. */
const socketPathLimit = 107;

/**
 * Starts a VM. One that runs already is left alone (SBX5004) unless its guest has come to an end. Throws SBX5001 with
 * QEMU's own words when it does not come up.
 */
export async function startQemu(
  spec: VmSpec,
  capabilities: Capabilities,
  context: StartContext,
  limits: QemuLimits,
): Promise<Started> {
  checkPaths(spec.paths);
  context.signal.throwIfAborted();
  const argv = qemuArgv(spec, capabilities);
  await settleFormer(spec.paths, limits);
  const logFrom = await logLength(qemuFiles(spec.paths).vmmLog);
  await keepFormerLog(qemuFiles(spec.paths).serialLog);
  const child = await spawnDetached(context.enter(argv), { logPath: qemuFiles(spec.paths).vmmLog });
  try {
    await answering(spec.paths, child, logFrom, context.signal, limits);
    // What entered the namespace may have forked: the pid file has QEMU's own pid.
    return { process: processOf({ paths: spec.paths }) ?? plainRef(child) };
  } catch (error) {
    await endProcess(processOf({ paths: spec.paths }), 0);
    await endProcess(plainRef(child), 0);
    try {
      await removeLeftovers(spec.paths);
    } catch (left) {
      // Why it did not start is what is asked for; what stands in the way of a clean end comes after it.
      throw new SbxError('SBX5001', `${describeError(error)}; ${describeError(left)}`, { cause: error });
    }
    throw error;
  }
}

function checkPaths(paths: VmPaths): void {
  const { serial } = qemuFiles(paths);
  const length = Buffer.byteLength(serial);
  if (length > socketPathLimit)
    throw new SbxError('SBX5008', `${serial} has ${length} bytes; a socket path has at most ${socketPathLimit}`);
}

/** A process that already serves this VM is in the way, unless its guest has come to an end. */
async function settleFormer(paths: VmPaths, limits: QemuLimits): Promise<void> {
  const former = processOf({ paths });
  if (former === undefined) {
    if (!(await isListening(qemuFiles(paths).qmp))) return;
    throw new SbxError(
      'SBX5004',
      `something answers on ${qemuFiles(paths).qmp}, and its process cannot be seen from here`,
    );
  }
  const [reply] = await queryQmp(qemuFiles(paths).qmp, [{ execute: 'query-status' }], limits.observeMs);
  const status = toStatus(reply);
  if (status !== 'guest-panicked' && status !== 'internal-error' && status !== 'shutdown')
    throw new SbxError('SBX5004', `process ${former.pid} runs this VM already (status ${status ?? 'unknown'})`);
  await endProcess(former);
  await removeLeftovers(paths);
}

async function answering(
  paths: VmPaths,
  child: ProcessRef & { readonly exited: Promise<number | string> },
  logFrom: number,
  signal: AbortSignal,
  limits: QemuLimits,
): Promise<void> {
  let end: number | string | undefined;
  void child.exited.then((how) => {
    end = how;
  });
  const deadline = performance.now() + limits.startMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    signal.throwIfAborted();
    if (await hasGreeted(paths, deadline - performance.now())) return;
    if (end !== undefined) throw await failure(paths, logFrom, `QEMU ended with ${end}`);
    if (performance.now() >= deadline)
      throw await failure(paths, logFrom, `QEMU did not answer within ${limits.startMs} ms`);
    await Promise.race([delay(pauseMs), child.exited]);
  }
}

async function hasGreeted(paths: VmPaths, timeoutMs: number): Promise<boolean> {
  try {
    const connection = await connectQmp(qemuFiles(paths).qmp, { timeoutMs: Math.max(1, timeoutMs) });
    connection.close();
    return true;
  } catch (error) {
    const why = isSbxError(error) ? errnoOf(error.cause) : undefined;
    // No socket yet, one of a killed predecessor, or one whose QEMU is ending.
    if (why === 'ENOENT' || why === 'ECONNREFUSED' || why === 'ECONNRESET' || why === undefined) return false;
    throw error;
  }
}

async function failure(paths: VmPaths, logFrom: number, what: string): Promise<SbxError> {
  const words = await lastWords(paths, logFrom);
  return new SbxError('SBX5001', words === undefined ? `${what} without a word` : `${what}: ${words}`, {
    hint: `see ${qemuFiles(paths).vmmLog}`,
  });
}
