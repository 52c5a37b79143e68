// Letting a guest go on: one that was paused, or one that QEMU holds since a write to a disk failed.
import { SbxError } from '../../core/errors.ts';
import type { VmRef } from '../driver.ts';
import type { QmpConnection } from './client.ts';
import { toStatus } from './convert.ts';
import type { QemuLimits } from './limits.ts';
import { withQmp } from './session.ts';

/** How long a write that is repeated has to fail again, in `ms`; one that succeeds says nothing. */
const failsWithinMs = 500;

/** Resumes the guest. Throws SBX5011 when the write that had failed fails again. */
export function resumeQemu(ref: VmRef, limits: QemuLimits): Promise<void> {
  return withQmp(ref, limits, async (connection) => {
    const held = (await statusOf(connection)) === 'io-error';
    const failed = connection.event(({ event }) => event === 'BLOCK_IO_ERROR', held ? failsWithinMs : 0);
    await connection.must('cont');
    if (!held) return;
    if (!(await failed) && (await statusOf(connection)) !== 'io-error') return;
    throw new SbxError('SBX5011', 'the write that had failed for want of room has failed again', {
      hint: 'Make more room on the disk of the home and apply again.',
    });
  });
}

async function statusOf(connection: QmpConnection): Promise<string | undefined> {
  const [reply] = await connection.ask([{ execute: 'query-status' }]);
  return toStatus(reply);
}
