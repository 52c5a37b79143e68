// The QMP wire: one short-lived connection, requests paired with replies by id, events in between, own time limits.
// Protocol: "QEMU Machine Protocol Specification" (docs/interop/qmp-spec) of QEMU.
import { createConnection, type Socket } from 'node:net';
import { SbxError } from '../../core/errors.ts';

export interface QmpRequest {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** An answer; `errorClass` is GenericError, CommandNotFound, DeviceNotFound, DeviceNotActive or newer. */
export type QmpReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly errorClass: string; readonly description: string };

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One conversation with one QEMU. Nobody else can talk to that socket meanwhile: close it soon. */
export interface QmpConnection {
  /** Sends requests in one write and gives their answers in the same order. Throws SBX5003 when one does not come. */
  ask(requests: readonly QmpRequest[]): Promise<readonly QmpReply[]>;
  /** One request that must succeed: its value. Throws SBX5002 with QEMU's own words. */
  must(execute: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Waits for an event that arrives from now on; false when none came within `timeoutMs` or the connection ended. */
  event(matches: (event: QmpEvent) => boolean, timeoutMs: number): Promise<boolean>;
  close(): void;
}

export interface QmpOptions {
  /** Limit in `ms` for the greeting and for each `ask`; default 5000 */
  readonly timeoutMs?: number;
  /**
   * Sends before the greeting. Saves a round trip, for requests that change nothing only: when the socket is taken and
   * we give up waiting, QEMU still reads what was sent once the other client leaves.
   */
  readonly eager?: boolean;
  /** Breaks the connection off */
  readonly signal?: AbortSignal;
}

/** No greeting or no answer in time: somebody listens, or the kernel does for a QEMU that does not. */
export class QmpTimeout extends SbxError {
  constructor(message: string) {
    super('SBX5003', message);
  }
}

interface Pending {
  readonly settle: (reply: QmpReply) => void;
}

/** A line longer than this is not QMP. Answers to what we ask stay far below. */
const lineLimit = 16 * 1024 * 1024;

/**
 * Connects and leaves negotiation mode. Throws SBX5003 (cause with `code` ENOENT or ECONNREFUSED when nobody listens)
 * on no connection, no greeting in time, or an answer that is not QMP.
 */
export async function connectQmp(path: string, options: QmpOptions = {}): Promise<QmpConnection> {
  const timeoutMs = options.timeoutMs ?? 5000;
  const wire = openWire(path);
  options.signal?.addEventListener('abort', () => wire.socket.destroy(), { once: true });
  const connection = toConnection(wire, timeoutMs);
  if (options.eager === true) return connection;
  try {
    await withLimit(wire.greeting, timeoutMs, wire, 'sends no greeting; another client may hold its socket');
    await connection.must('qmp_capabilities');
    return connection;
  } catch (error) {
    wire.socket.destroy();
    throw error;
  }
}

/** Asks questions that change nothing over a connection of their own: one write, one pass. Throws SBX5003. */
export async function queryQmp(
  path: string,
  requests: readonly QmpRequest[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<readonly QmpReply[]> {
  const connection = await connectQmp(path, { timeoutMs, eager: true, ...(signal === undefined ? {} : { signal }) });
  try {
    const [, ...replies] = await connection.ask([{ execute: 'qmp_capabilities' }, ...requests]);
    return replies;
  } finally {
    connection.close();
  }
}

interface Wire {
  readonly socket: Socket;
  readonly path: string;
  readonly greeting: Promise<void>;
  /** Rejects, once, when the connection is of no more use */
  readonly broken: Promise<never>;
  readonly pending: Map<number, Pending>;
  readonly listeners: Set<(event: QmpEvent) => void>;
}

function openWire(path: string): Wire {
  const socket = createConnection({ path });
  const pending = new Map<number, Pending>();
  const listeners = new Set<(event: QmpEvent) => void>();
  let greeted = () => {};
  const greeting = new Promise<void>((resolve) => {
    greeted = resolve;
  });
  const broken = new Promise<never>((_resolve, reject) => {
    const fail = (message: string, cause?: unknown) => {
      socket.destroy();
      reject(new SbxError('SBX5003', `QEMU ${message} (${path})`, cause === undefined ? {} : { cause }));
    };
    socket.on('error', (cause) => fail('cannot be reached', cause));
    socket.on('close', () => fail('closed the connection'));
    socket.on(
      'data',
      lines(
        (line) => {
          const message = parse(line);
          if (message === undefined) fail(`answered what is not QMP: ${JSON.stringify(line.slice(0, 80))}`);
          else if ('QMP' in message) greeted();
          else route(message, pending, listeners);
        },
        () => fail('answered a line without end'),
      ),
    );
  });
  // Who waits takes part in a race with it; a break while nobody waits is met by the next question.
  broken.catch(() => undefined);
  return { socket, path, greeting, broken, pending, listeners };
}

function toConnection(wire: Wire, timeoutMs: number): QmpConnection {
  let lastId = 0;
  const ask = async (requests: readonly QmpRequest[]): Promise<readonly QmpReply[]> => {
    const replies: Promise<QmpReply>[] = [];
    let text = '';
    for (const request of requests) {
      lastId += 1;
      const id = lastId;
      replies.push(new Promise((resolve) => wire.pending.set(id, { settle: resolve })));
      text += `${JSON.stringify({ ...request, id })}\n`;
    }
    wire.socket.write(text);
    return withLimit(Promise.all(replies), timeoutMs, wire, `does not answer ${requests.at(-1)?.execute ?? ''}`);
  };
  return {
    ask,
    async must(execute, args) {
      const [reply] = await ask([{ execute, ...(args === undefined ? {} : { arguments: args }) }]);
      if (reply?.ok === true) return reply.value;
      throw new SbxError('SBX5002', `QEMU refused ${execute}: ${reply?.description ?? 'no answer'}`);
    },
    event: (matches, limitMs) => nextEvent(wire, matches, limitMs),
    close: () => wire.socket.destroy(),
  };
}

function nextEvent(wire: Wire, matches: (event: QmpEvent) => boolean, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (came: boolean) => {
      clearTimeout(timer);
      wire.listeners.delete(listen);
      resolve(came);
    };
    const listen = (event: QmpEvent) => {
      if (matches(event)) settle(true);
    };
    const timer = setTimeout(settle, timeoutMs, false);
    wire.listeners.add(listen);
    wire.broken.catch(() => settle(false));
  });
}

async function withLimit<T>(work: Promise<T>, timeoutMs: number, wire: Wire, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // Whatever comes later would be taken for the answer to something else.
      wire.socket.destroy();
      reject(new QmpTimeout(`QEMU ${what} within ${timeoutMs} ms (${wire.path})`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, wire.broken, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function lines(onLine: (line: string) => void, onOverflow: () => void): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, end)])
        .toString('utf8')
        .trim();
      rest = [];
      size = 0;
      from = end + 1;
      if (line !== '') onLine(line);
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > lineLimit) onOverflow();
    }
  };
}

type Message = Readonly<Record<string, unknown>>;

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function route(message: Message, pending: Map<number, Pending>, listeners: Set<(event: QmpEvent) => void>): void {
  if (typeof message['event'] === 'string') {
    const event = { event: message['event'], data: isRecord(message['data']) ? message['data'] : {} };
    for (const listen of [...listeners]) listen(event);
    return;
  }
  const id = message['id'];
  if (typeof id !== 'number') return;
  pending.get(id)?.settle(toReply(message));
  pending.delete(id);
}

function toReply(message: Message): QmpReply {
  if ('return' in message) return { ok: true, value: message['return'] };
  const error = isRecord(message['error']) ? message['error'] : {};
  return {
    ok: false,
    errorClass: String(error['class'] ?? 'GenericError'),
    description: String(error['desc'] ?? 'no reason given'),
  };
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
