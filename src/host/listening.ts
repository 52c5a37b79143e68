// Whether somebody is at the other end of a file: true in every pid namespace of a host, where a look into /proc is not.
import { closeSync, constants, openSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/** Longest wait for a connection, in `ms`: one that does not come, though nothing refuses it, has a listener. */
const connectMs = 1000;

/** Whether a process listens on a Unix socket. False for what is no socket, or not there. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (listening: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(listening);
    };
    const timer = setTimeout(finish, connectMs, true);
    socket.on('connect', () => finish(true));
    // EAGAIN: its queue is full.
    socket.on('error', (error) => finish('code' in error && error.code === 'EAGAIN'));
  });
}

/** Whether a process has a FIFO open for reading (fifo(7): without one a writer that does not wait gets ENXIO). */
export function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch {
    // Nobody reads it, or there is none.
    return false;
  }
}

/** The first socket or FIFO in a folder, or in its own folders, that somebody serves. */
export async function servedIn(folder: string, depth = 1): Promise<string | undefined> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0) {
      const inside = await servedIn(path, depth - 1);
      if (inside !== undefined) return inside;
    }
    if (entry.isSocket() && (await isListening(path))) return path;
    if (entry.isFIFO() && (await stat(path)).isFIFO() && hasReader(path)) return path;
  }
  return undefined;
}
