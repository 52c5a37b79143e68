// Connects a terminal with the console of a guest: raw both ways, until Ctrl-] or the end of the VM.
import type { Duplex } from 'node:stream';
import type { Io } from './services.ts';

/** Ctrl-] */
const endByte = 0x1d;

/** Resolves when the user ends it, the console closes, or the signal comes. The terminal is put back as it was. */
export async function attachConsole(console: Duplex, io: Io, signal: AbortSignal): Promise<void> {
  const { stdin, stdout } = io;
  const terminal = 'setRawMode' in stdin && typeof stdin.setRawMode === 'function' ? stdin : undefined;
  const setRaw = (raw: boolean): void => {
    if (terminal !== undefined) (terminal as NodeJS.ReadStream).setRawMode(raw);
  };
  setRaw(true);
  try {
    await new Promise<void>((resolve, reject) => {
      const onInput = (chunk: Buffer): void => {
        const end = chunk.indexOf(endByte);
        if (end === -1) console.write(chunk);
        else resolve();
      };
      stdin.on('data', onInput);
      stdin.once('end', resolve);
      // At the pace of the terminal: what it cannot take yet stays with the guest.
      console.pipe(stdout, { end: false });
      console.once('close', resolve);
      console.once('error', reject);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    setRaw(false);
    stdin.removeAllListeners('data');
    stdin.pause();
    console.destroy();
  }
}
