// Short conversations that change a VM: one connection each, so that observers get their turn in between.
import type { VmRef } from '../driver.ts';
import { connectQmp, type QmpConnection } from './client.ts';
import { qemuFiles } from './layout.ts';
import type { QemuLimits } from './limits.ts';

/** Runs `work` over a connection of its own. Throws SBX5003 when QEMU does not answer, SBX5002 when it refuses. */
export async function withQmp<T>(
  ref: VmRef,
  limits: QemuLimits,
  work: (connection: QmpConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectQmp(qemuFiles(ref.paths).qmp, { timeoutMs: limits.askMs });
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

/** Repeats a conversation until it says that it is done; false when it never did within `timeoutMs`. */
export async function repeatUntil(
  ref: VmRef,
  limits: QemuLimits,
  timeoutMs: number,
  round: (connection: QmpConnection) => Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  do {
    if (await withQmp(ref, limits, round)) return true;
  } while (performance.now() < deadline);
  return false;
}
