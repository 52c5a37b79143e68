// A plain QMP client for tests: one connection for each command. Nothing of it is the driver's.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Asks the QEMU behind a socket; throws its error. */
export function askQmp(path: string): (execute: string, args?: object) => Promise<unknown> {
  return async (execute, args = {}) => {
    const socket = await openSocket(path);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    const answer = async (): Promise<{ return?: unknown; error?: unknown }> => {
      for (;;) {
        const end = text.indexOf('\n');
        if (end === -1) {
          await delay(2);
          continue;
        }
        const line = JSON.parse(text.slice(0, end)) as Record<string, unknown>;
        text = text.slice(end + 1);
        if ('return' in line || 'error' in line) return line;
      }
    };
    try {
      socket.write('{"execute":"qmp_capabilities"}\n');
      await answer();
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
      const said = await answer();
      if (said.error !== undefined) throw said.error;
      return said.return;
    } finally {
      socket.destroy();
    }
  };
}

export function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}
