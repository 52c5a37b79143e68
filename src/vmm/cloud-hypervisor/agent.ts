// Byte streams into the guest: the agent's port over the hybrid vsock socket, and the console's pseudo-terminal.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import { errnoOf, SbxError } from '../../core/errors.ts';

/** Port on which the guest agent listens. */
const agentPort = 1024;

/** Longest line that the VMM sends before the stream begins: `OK <port>`. */
const greetingLimit = 64;

/**
 * Connects to the guest agent. The VMM answers `OK <port>` or closes without a word; before the guest's driver runs it does
 * not answer at all, and after that up to 2 s pass before it gives up (docs/vsock.md). Tries again until `timeoutMs`, then SBX8001.
 */
export async function openAgent(socketPath: string, timeoutMs: number): Promise<Duplex> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 400)) {
    const remaining = deadline - performance.now();
    const outcome = await tryAgent(socketPath, Math.max(1, remaining));
    if ('stream' in outcome) return outcome.stream;
    if (outcome.final || performance.now() + pauseMs >= deadline) {
      throw new SbxError('SBX8001', `The guest agent does not answer: ${outcome.why}.`);
    }
    await delay(pauseMs);
  }
}

/** One try: the stream, or why there is none, and whether another try may do better. */
type Try = { readonly stream: Socket } | { readonly why: string; readonly final: boolean };

function tryAgent(socketPath: string, timeoutMs: number): Promise<Try> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    let greeting = Buffer.alloc(0);
    const settle = (outcome: Try): void => {
      clearTimeout(timer);
      socket.removeListener('readable', onReadable).removeListener('error', onError).removeListener('close', onClose);
      // The caller has its answer; a late error of this socket is nobody's.
      if ('why' in outcome) socket.on('error', () => undefined).destroy();
      resolve(outcome);
    };
    const failed = (why: string, final = false): void => settle({ why, final });
    // The socket is there from boot to the end: without it, or without a listener, there is no VM.
    const onError = (error: Error): void =>
      failed(
        `no connection to the vsock socket (${error.message})`,
        ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? ''),
      );
    const onClose = (): void => failed('nothing listens in the guest');
    // Not by 'data' events: the stream is handed over as if it had never been read.
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      greeting = Buffer.concat([greeting, chunk]);
      const end = greeting.indexOf('\n');
      if (end === -1 && greeting.length <= greetingLimit) return;
      if (!/^OK [^\n]*\n/.test(greeting.toString('latin1'))) {
        failed('the vsock socket speaks another language', true);
        return;
      }
      // Bytes behind the line are the agent's already.
      if (greeting.length > end + 1) socket.unshift(greeting.subarray(end + 1));
      settle({ stream: socket });
    };
    const timer = setTimeout(() => failed('no answer in time'), timeoutMs);
    socket.on('readable', onReadable).on('error', onError).on('close', onClose);
    // Always a whole line: releases up to v48 may crash of a client that leaves in the middle of one.
    socket.write(`CONNECT ${agentPort}\n`);
  });
}

/** Opens the pseudo-terminal of the console. Throws SBX5009 when there is none or it may not be opened. */
export async function openPty(path: string | undefined): Promise<Duplex> {
  if (path === undefined || !/^\/dev\/pts\/\d+$/.test(path)) {
    throw new SbxError('SBX5009', 'This VM was started without an interactive console.', {
      hint: 'The log of its serial console is there all the same: sbx logs',
    });
  }
  let file: FileHandle;
  try {
    // Not as controlling terminal: Ctrl-C in the guest must not reach sbx.
    file = await open(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch (cause) {
    throw new SbxError('SBX5009', `The console ${path} cannot be opened.`, { cause });
  }
  const stream = new ReadStream(file.fd);
  stream.setRawMode(true);
  stream.once('close', () => void file.close().catch(() => undefined));
  return stream;
}
