// One conversation with a qemu-guest-agent: a line of JSON each way, one request at a time. The agent serves one client
// at a time and keeps no books on who asked: what a former client left in the pipe must not become our answer.
import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { SbxError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';

/** Most bytes of one answer; the agent itself cuts the output of a command at 16 MiB. */
const lineLimit = 64 * 1024 * 1024;
/** Most lines, and bytes of them, that are no answer to one request: leftovers of former clients, and noise. */
const strayLimit = { lines: 10_000, bytes: 2 * lineLimit } as const;
/** Before the answer to guest-sync-delimited (QEMU Guest Agent protocol reference). */
const delimiter = 0xff;

interface Waiting {
  /** Whether the line is the answer */
  readonly accept: (line: Buffer) => boolean;
  readonly fail: (error: SbxError) => void;
}

/** A synchronised stream to the agent. */
export interface AgentChannel {
  /** Sends a command and gives its `return`. Throws SBX8002 when the agent says no, SBX8001 when it says nothing. */
  request(command: string, args?: Json, timeoutMs?: number): Promise<Json>;
  /** Sends a command that the agent answers only when it fails. Resolves after `graceMs` without an answer, or at the end. */
  tell(command: string, args: Json, graceMs: number): Promise<void>;
  close(): void;
}

/** Wraps a fresh stream. Call `synchronise` before anything else. */
export class LineChannel implements AgentChannel {
  readonly #stream: Duplex;
  readonly #timeoutMs: number;
  #chunks: Buffer[] = [];
  #size = 0;
  /** What came since the last request and answered none: a guest that never falls silent is not listened to for ever */
  #stray = { lines: 0, bytes: 0 };
  #waiting: Waiting | undefined;
  #ended: SbxError | undefined;
  /** Keeps requests apart: each waits for the one before */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(stream: Duplex, timeoutMs: number) {
    this.#stream = stream;
    this.#timeoutMs = timeoutMs;
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.on('error', (cause) => this.#end(new SbxError('SBX8002', 'connection to the guest agent broke', { cause })));
    stream.on('close', () => this.#end(new SbxError('SBX8002', 'the guest agent closed the connection')));
    stream.on('end', () => this.#end(new SbxError('SBX8002', 'the guest agent closed the connection')));
  }

  /** Throws away everything said before, up to the agent's echo of a number that only we know. */
  synchronise(timeoutMs: number): Promise<void> {
    const id = randomInt(1, 2 ** 47);
    const accept = (line: Buffer): boolean => {
      const mark = line.lastIndexOf(delimiter);
      const answer = mark === -1 ? undefined : parseAnswer(line.subarray(mark + 1));
      return answer !== undefined && 'return' in answer && answer.return === id;
    };
    const text = `${JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } })}\n`;
    return this.#inTurn(async () => {
      // A raw 0xFF resets the agent's parser, whatever half request it is in the middle of.
      await this.#exchange(Buffer.concat([Buffer.from([delimiter]), Buffer.from(text)]), accept, timeoutMs);
    });
  }

  request(command: string, args?: Json, timeoutMs: number = this.#timeoutMs): Promise<Json> {
    return this.#inTurn(async () => {
      const line = await this.#exchange(
        encode(command, args),
        (candidate) => parseAnswer(candidate) !== undefined,
        timeoutMs,
      );
      return returnOf(command, parseAnswer(line) ?? {});
    });
  }

  tell(command: string, args: Json, graceMs: number): Promise<void> {
    return this.#inTurn(async () => {
      let line: Buffer;
      try {
        line = await this.#exchange(
          encode(command, args),
          (candidate) => parseAnswer(candidate) !== undefined,
          graceMs,
        );
      } catch {
        // Silence and the end of the stream both mean that the guest is about it.
        return;
      }
      returnOf(command, parseAnswer(line) ?? {});
    });
  }

  close(): void {
    this.#end(new SbxError('SBX8002', 'the connection to the guest agent was closed'));
    this.#stream.destroy();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const mine = before.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }

  /** Writes and waits for the first line that is accepted. After a timeout the stream is of no use any more. */
  #exchange(bytes: Buffer, accepts: (line: Buffer) => boolean, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const fail = (error: SbxError): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        reject(error);
      };
      const timer = setTimeout(() => {
        const late = new SbxError('SBX8001', `the guest agent did not answer within ${timeoutMs} ms`);
        this.#end(late);
        this.#stream.destroy();
      }, timeoutMs);
      const accept = (line: Buffer): boolean => {
        if (!accepts(line)) return false;
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve(line);
        return true;
      };
      this.#waiting = { accept, fail };
      this.#stray = { lines: 0, bytes: 0 };
      this.#stream.write(bytes);
    });
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]);
      this.#chunks = [];
      this.#size = 0;
      rest = rest.subarray(end + 1);
      if (this.#ended !== undefined) return;
      if (this.#waiting?.accept(line) !== true && this.#isFlood(line.length)) {
        this.#refuse('the guest agent sends without end what nobody asked for');
        return;
      }
    }
    if (rest.length > 0) this.#chunks.push(rest);
    this.#size += rest.length;
    if (this.#size > lineLimit) this.#refuse(`the guest agent sent a line of more than ${lineLimit} bytes`);
  }

  #isFlood(bytes: number): boolean {
    this.#stray.lines += 1;
    this.#stray.bytes += bytes;
    return this.#stray.lines > strayLimit.lines || this.#stray.bytes > strayLimit.bytes;
  }

  #refuse(message: string): void {
    this.#end(new SbxError('SBX8002', message));
    this.#chunks = [];
    this.#stream.destroy();
  }

  #end(error: SbxError): void {
    this.#ended ??= error;
    this.#waiting?.fail(this.#ended);
  }
}

function encode(command: string, args: Json | undefined): Buffer {
  const request = args === undefined ? { execute: command } : { execute: command, arguments: args };
  return Buffer.from(`${JSON.stringify(request)}\n`);
}

type Answer = { readonly return: Json } | { readonly error: Json };

/** An answer of the agent, or undefined for half lines, noise and anything else. */
function parseAnswer(line: Buffer): Answer | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return 'return' in value || 'error' in value ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}

function returnOf(command: string, answer: Partial<{ return: Json; error: Json }>): Json {
  if (answer.error === undefined) return answer.return ?? null;
  const { error } = answer;
  const said =
    typeof error === 'object' && error !== null && 'desc' in error ? String(error['desc']) : JSON.stringify(error);
  throw new SbxError('SBX8002', `the guest agent refused ${command}: ${said}`);
}
