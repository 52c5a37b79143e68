// Byte streams into a guest: the agent's port and the serial console.
import { createConnection, type Socket } from 'node:net';
import { SbxError } from '../../core/errors.ts';
import type { VmRef } from '../driver.ts';
import { connectQmp, type QmpConnection } from './client.ts';
import { listOf } from './convert.ts';
import { qemuFiles } from './layout.ts';
import type { QemuLimits } from './limits.ts';

/** How long a connect to a local socket may take, in `ms`. */
const connectMs = 5000;

/** Whether a program in the guest has the agent's port open. What is written before would wait and be taken for later. */
export async function agentIsOpen(connection: QmpConnection): Promise<boolean> {
  const channels = listOf(await connection.must('query-chardev')) ?? [];
  return channels.some((channel) => channel['label'] === 'ga' && channel['frontend-open'] === true);
}

/** A stream to the guest agent. The port has one client at a time. Throws SBX8001 when nobody listens in the guest. */
export async function openAgentStream(ref: VmRef, limits: QemuLimits): Promise<Socket> {
  const connection = await connectQmp(qemuFiles(ref.paths).qmp, { timeoutMs: limits.askMs }).catch((cause: unknown) => {
    throw new SbxError('SBX8001', 'the VM does not run, or its QEMU does not answer', { cause });
  });
  try {
    if (!(await agentIsOpen(connection)))
      throw new SbxError('SBX8001', 'no guest agent has opened its port yet', {
        hint: 'the guest may still be booting, or its image has no qemu-guest-agent',
      });
  } finally {
    connection.close();
  }
  return connectStream(qemuFiles(ref.paths).agent, 'SBX8001');
}

/** A stream to the serial console; one client at a time. Throws SBX5009. */
export function openConsoleStream(ref: VmRef): Promise<Socket> {
  return connectStream(qemuFiles(ref.paths).serial, 'SBX5009');
}

/** Connects to a socket of QEMU; failure is an SbxError of the given code. */
export function connectStream(path: string, code: 'SBX8001' | 'SBX5009'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const fail = (cause?: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new SbxError(code, `cannot connect to ${path}`, cause === undefined ? {} : { cause }));
    };
    const timer = setTimeout(fail, connectMs);
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
