// The guest agent as sbx uses it: commands, small files, vCPUs, addresses, power. One session is one client: close it.
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isSbxError, SbxError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { formatDuration } from '../core/units.ts';
import { type AgentChannel, LineChannel } from './agent-channel.ts';
import { type ExecOptions, type ExecResult, execInGuest } from './agent-exec.ts';
import { readGuestFile, readGuestText, writeGuestFile } from './agent-files.ts';

/** A network card as the guest sees it. */
export interface GuestInterface {
  readonly name: string;
  readonly mac: string | undefined;
  readonly addresses: readonly { readonly ip: string; readonly prefix: number }[];
}

/** A vCPU that the guest knows of. */
export interface GuestVcpu {
  readonly id: number;
  readonly online: boolean;
  readonly canOffline: boolean;
}

/** Commands to one guest. Failures throw SBX8001 (no answer), SBX8002 (refused, closed) or SBX8003 (command too long). */
export interface AgentSession {
  ping(): Promise<void>;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Content of a file in pieces of at most 256 KiB */
  readFile(path: string): AsyncGenerator<Buffer>;
  /** Whole content of a small text file such as those under /proc */
  readText(path: string): Promise<string>;
  /** Creates or replaces a file; gives the number of bytes written */
  writeFile(path: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number>;
  getVcpus(): Promise<readonly GuestVcpu[]>;
  /** Switches vCPUs on or off until `count` are on; gives the number that are. vCPU 0 always stays */
  setVcpus(count: number): Promise<number>;
  /** Memory that the guest's kernel manages and what of it is free for programs, in `bytes` */
  memory(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }>;
  networkAddresses(): Promise<readonly GuestInterface[]>;
  /** Wall clock of the guest in `ms` since the epoch */
  time(): Promise<number>;
  /** Asks the guest to power off or reboot; resolves when it agreed, not when it is done */
  shutdown(mode: 'powerdown' | 'reboot' | 'halt'): Promise<void>;
  close(): void;
}

/** Limits of a session; `timeoutMs` holds for each request, and for the beginning. */
export interface AgentOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Opens a stream and makes sure that the agent at its other end talks to us. Throws SBX8001 when it does not in time. */
export async function openAgentSession(open: () => Promise<Duplex>, options: AgentOptions): Promise<AgentSession> {
  options.signal?.throwIfAborted();
  const stream = await open();
  const channel = new LineChannel(stream, options.timeoutMs);
  const abort = (): void => channel.close();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    await channel.synchronise(options.timeoutMs);
  } catch (error) {
    channel.close();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    // From here on a command that is given up still needs the channel, to be killed in the guest.
    options.signal?.removeEventListener('abort', abort);
  }
  return sessionOver(channel, options);
}

/** Tries until the agent answers; gives an open session. Throws SBX8001 with what was last seen at `deadline`. */
export async function waitForAgent(
  open: () => Promise<Duplex>,
  deadline: { readonly timeoutMs: number },
  signal?: AbortSignal,
): Promise<AgentSession> {
  const end = performance.now() + deadline.timeoutMs;
  let last: unknown = 'it was never asked';
  for (let pauseMs = 20; performance.now() < end; pauseMs = Math.min(pauseMs * 1.5, 200)) {
    // Long enough for a slow guest, short enough to try again after a lost byte.
    const attemptMs = Math.min(3000, Math.max(100, end - performance.now()));
    try {
      return await openAgentSession(open, { timeoutMs: attemptMs, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      last = error;
    }
    await delay(pauseMs, undefined, signal === undefined ? {} : { signal });
  }
  // That it did not answer one try in time says nothing more.
  const more = isSbxError(last) && last.code === 'SBX8001' ? '' : `: ${describeError(last)}`;
  throw new SbxError('SBX8001', `the guest agent did not answer within ${wholeSeconds(deadline.timeoutMs)}${more}`);
}

/** What is left of a limit, as people read it. */
function wholeSeconds(ms: number): string {
  return formatDuration(ms < 1000 ? ms : Math.round(ms / 1000) * 1000);
}

function sessionOver(channel: AgentChannel, options: AgentOptions): AgentSession {
  return {
    ping: async () => {
      await channel.request('guest-ping');
    },
    exec: (argv, execOptions = {}) => {
      const signal = execOptions.signal ?? options.signal;
      return execInGuest(channel, argv, { ...execOptions, ...(signal === undefined ? {} : { signal }) });
    },
    readFile: (path) => readGuestFile(channel, path),
    readText: (path) => readGuestText(channel, path),
    writeFile: (path, content) => writeGuestFile(channel, path, content),
    getVcpus: () => getVcpus(channel),
    setVcpus: (count) => setVcpus(channel, count),
    memory: () => memory(channel),
    networkAddresses: () => networkAddresses(channel),
    time: async () => Number(await channel.request('guest-get-time')) / 1e6,
    shutdown: (mode) => channel.tell('guest-shutdown', { mode }, 1500),
    close: () => channel.close(),
  };
}

async function getVcpus(channel: AgentChannel): Promise<readonly GuestVcpu[]> {
  const rows = asRows(await channel.request('guest-get-vcpus'));
  return rows
    .map((row) => ({
      id: Number(row['logical-id']),
      online: row['online'] === true,
      canOffline: row['can-offline'] === true,
    }))
    .sort((a, b) => a.id - b.id);
}

async function setVcpus(channel: AgentChannel, count: number): Promise<number> {
  const vcpus = await getVcpus(channel);
  const on = vcpus.filter(({ online }) => online);
  const excess = on.length - count;
  const chosen =
    excess > 0
      ? on.filter(({ canOffline, id }) => canOffline && id !== 0).slice(-excess)
      : vcpus.filter(({ online }) => !online).slice(0, -excess);
  if (chosen.length > 0) {
    const rows = chosen.map(({ id }) => ({ 'logical-id': id, online: excess < 0 }));
    await channel.request('guest-set-vcpus', { vcpus: rows });
  }
  return (await getVcpus(channel)).filter(({ online }) => online).length;
}

async function memory(channel: AgentChannel): Promise<{ totalBytes: number; availableBytes: number }> {
  const text = await readGuestText(channel, '/proc/meminfo');
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable') };
}

async function networkAddresses(channel: AgentChannel): Promise<readonly GuestInterface[]> {
  const rows = asRows(await channel.request('guest-network-get-interfaces'));
  return rows.map((row) => ({
    name: String(row['name']),
    mac: typeof row['hardware-address'] === 'string' ? row['hardware-address'] : undefined,
    addresses: asRows(row['ip-addresses'] ?? []).map((entry) => ({
      ip: String(entry['ip-address']),
      prefix: Number(entry['prefix']),
    })),
  }));
}

/** Objects of a list that the agent gave; anything else in it is left out. */
function asRows(value: Json): readonly Readonly<Record<string, Json>>[] {
  const list: readonly Json[] = Array.isArray(value) ? value : [];
  return list.filter((row) => typeof row === 'object' && row !== null && !Array.isArray(row)) as readonly Readonly<
    Record<string, Json>
  >[];
}
