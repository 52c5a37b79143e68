// Streaming to standard output at the pace of whoever reads it.
import type { Writable } from 'node:stream';

/** Writes and waits until it is out. False when nothing can be written any more; the end of the program says why. */
export function writeOut(stream: Writable, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    stream.write(chunk, (error) => resolve(error === null || error === undefined));
  });
}
