// host.json: what the sandboxes of a home share. Today the ports of the host that they publish.
import { dirname, join } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { errnoOf } from '../core/errors.ts';
import { type HostPort, portIndex } from '../core/host-ports.ts';
import { readTextIfThere } from '../host/files.ts';
import { writeOwnFile } from '../host/own-files.ts';
import { type Home, hostFilePath } from './home.ts';
import { homeFailure } from './home-failure.ts';
import { listLayouts, listSandboxes } from './list.ts';
import { acquireLock } from './lock.ts';

type Reservations = ReadonlyMap<string, string>;

/**
 * Reserves ports for a sandbox, beside those it has. SBX4010 when another sandbox has one of them, and then none is
 * reserved; SBX4001 when it stays locked. Entries of sandboxes without state go.
 */
export async function reservePorts(home: Home, sandboxId: string, ports: readonly HostPort[]): Promise<Checked<void>> {
  return change(home, sandboxId, (reserved) => {
    const others = portIndex([...reserved].flatMap(([key, id]) => (id === sandboxId ? [] : [key])));
    const taken = ports.flatMap((port) => {
      const key = others.conflict(port);
      return key === undefined ? [] : [conflictOf(port, key, reserved.get(key) ?? '')];
    });
    const [first, ...rest] = taken;
    if (first !== undefined) return failed(first, ...rest);
    return ok(new Map([...reserved, ...ports.map((port) => [portKey(port), sandboxId] as const)]));
  });
}

/** Gives ports up; without `ports` all that the sandbox has. Ports of others are left alone. */
export async function releasePorts(home: Home, sandboxId: string, ports?: readonly HostPort[]): Promise<Checked<void>> {
  const given = ports === undefined ? undefined : new Set(ports.map(portKey));
  return change(home, sandboxId, (reserved) =>
    ok(new Map([...reserved].filter(([key, id]) => id !== sandboxId || (given !== undefined && !given.has(key))))),
  );
}

/** Reserved ports, `hostIp:hostPort/protocol` → sandbox id, of sandboxes that have a state. Writes nothing. Warns of a damaged file (SBX4011). */
export async function readReservations(home: Home): Promise<{
  readonly reserved: Reservations;
  readonly warnings: readonly Diagnostic[];
}> {
  const { reserved, damage } = await readHostFile(home);
  const warnings = damage === undefined ? [] : [damage];
  return { reserved: reserved.size > 0 ? await living(home, reserved) : reserved, warnings };
}

/** Reservations of sandboxes that are gone. Writes nothing. */
export async function staleReservations(
  home: Home,
): Promise<readonly { readonly port: string; readonly sandbox: string }[]> {
  const read = await readHostFile(home);
  if (read.reserved.size === 0) return [];
  const kept = await living(home, read.reserved);
  return [...read.reserved].flatMap(([port, sandbox]) => (kept.has(port) ? [] : [{ port, sandbox }]));
}

/** `127.0.0.1:8080/tcp` */
export function portKey(port: HostPort): string {
  return `${port.hostIp}:${port.hostPort}/${port.protocol}`;
}

/** Reads, changes and writes under a lock of its own, held for milliseconds. */
async function change(
  home: Home,
  sandboxId: string,
  to: (reserved: Reservations) => Checked<Reservations>,
): Promise<Checked<void>> {
  const path = hostFilePath(home);
  const owner = { user: String(process.getuid?.() ?? ''), command: `ports of ${sandboxId}` };
  const lock = await acquireLock(join(dirname(path), 'host.lock'), { timeoutMs: 30_000, owner });
  if (!lock.ok) return lock;
  try {
    const read = await readHostFile(home);
    const before = await living(home, read.reserved, sandboxId);
    const after = to(before);
    if (!after.ok) return after;
    const text = formatHostFile(after.value);
    if (read.damage !== undefined || text !== formatHostFile(read.reserved))
      await writeOwnFile(path, text).catch(homeFailure(`write ${path}`));
    return ok(undefined);
  } finally {
    lock.value.release();
  }
}

/** Entries whose sandbox still has a state or a journal, or is the one at work, which may have neither yet. */
async function living(home: Home, reserved: Reservations, own?: string): Promise<Reservations> {
  const ids = new Set((await listLayouts(home)).map((layout) => layout.id));
  return new Map([...reserved].filter(([, id]) => id === own || ids.has(id)));
}

/** What the file says; when it is damaged, what the states say, which have every port that was published. */
async function readHostFile(home: Home): Promise<{ readonly reserved: Reservations; readonly damage?: Diagnostic }> {
  const path = hostFilePath(home);
  const text = await readTextIfThere(path).catch((error: unknown) => {
    // A folder in its place is damage like any other.
    if (errnoOf(error) === 'EISDIR') return '';
    throw error;
  });
  const ports = text === undefined ? {} : parsePorts(text);
  if (ports !== undefined) return { reserved: new Map(Object.entries(ports)) };
  const damage = diagnostic('SBX4011', {
    detail: `${path} is not as sbx wrote it; the states of this home tell which ports are reserved.`,
    hint: 'The next apply that publishes a port, and every destroy, writes it anew.',
  });
  return { reserved: await publishedPorts(home), damage };
}

async function publishedPorts(home: Home): Promise<Reservations> {
  const ports: (readonly [string, string])[] = [];
  for (const { layout, snapshot } of await listSandboxes(home)) {
    for (const record of snapshot.ok ? (snapshot.value.state?.resources ?? []) : [])
      if (record.kind === 'sandbox')
        ports.push(...record.attrs.forwards.map((forward) => [portKey(forward), layout.id] as const));
  }
  return new Map(ports);
}

function parsePorts(text: string): Record<string, string> | undefined {
  try {
    const json = JSON.parse(text);
    const ports = json?.format_version === 1 ? json.ports : undefined;
    if (typeof ports !== 'object' || ports === null) return undefined;
    return Object.values(ports).every((id) => typeof id === 'string') ? ports : undefined;
  } catch {
    return undefined;
  }
}

function formatHostFile(reserved: Reservations): string {
  const ports = Object.fromEntries([...reserved].sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ format_version: 1, ports }, null, 2)}\n`;
}

function conflictOf(port: HostPort, key: string, who: string) {
  return diagnostic('SBX4010', {
    detail: `${portKey(port)} is reserved by the sandbox "${who}"${key === portKey(port) ? '' : ` as ${key}`}.`,
    hint: 'Publish another port of the host, or let sbx pick one: "auto:PORT".',
  });
}
