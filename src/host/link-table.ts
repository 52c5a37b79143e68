// Which links a namespace has: read as files through the keeper, with no process; by `ip` where that is not possible.
import { readdirSync, readFileSync } from 'node:fs';
import { linkKind } from '../core/link-names.ts';
import type { SandboxObservation } from '../core/observed.ts';
import { run } from './exec.ts';
import { programPath } from './programs.ts';
import { enterArgv, type SpaceRef } from './space-ref.ts';

type Links = SandboxObservation['links'];
type Link = Links[string];

/** Links of the namespace by name, without `lo`. The sysfs that the keeper has mounted serves; entering and asking `ip` is the way without it. */
export async function readLinks(space: SpaceRef): Promise<Links> {
  return linksFromFiles(space.keeper.pid) ?? (await linksFromIp(space));
}

/** Undefined when the process has no sysfs of its own network namespace: /proc/PID/net/dev must name the same links. */
function linksFromFiles(pid: number): Links | undefined {
  const folder = `/proc/${pid}/root/sys/class/net`;
  try {
    const names = readdirSync(folder).filter((name) => name !== 'lo' && name !== 'bonding_masters');
    if (!sameNames(names, namesFromDev(readFileSync(`/proc/${pid}/net/dev`, 'utf8')))) return undefined;
    const bridges = names.filter((name) => linkKind(name) === 'bridge');
    const masters = new Map(bridges.flatMap((bridge) => portsOf(folder, bridge).map((port) => [port, bridge])));
    return Object.fromEntries(names.map((name) => [name, linkFrom(folder, name, masters.get(name))]));
  } catch {
    // A link or the process went away in between, or it is not ours to read: `ip` then says what is wrong.
    return undefined;
  }
}

/** Interface names of /proc/net/dev, without `lo`. */
export function namesFromDev(text: string): readonly string[] {
  return [...text.matchAll(/^ *([^ :]+):/gm)].flatMap(([, name = '']) => (name === 'lo' ? [] : [name]));
}

function portsOf(folder: string, bridge: string): readonly string[] {
  return readdirSync(`${folder}/${bridge}/brif`);
}

function linkFrom(folder: string, name: string, master: string | undefined): Link {
  const up = (Number(readFileSync(`${folder}/${name}/flags`, 'latin1')) & 1) === 1;
  return { kind: linkKind(name), up, ...(master === undefined ? {} : { master }) };
}

async function linksFromIp(space: SpaceRef): Promise<Links> {
  const text = await run(enterArgv(space)([programPath('ip'), '-j', 'link', 'show']), { timeoutMs: 10_000 });
  return linksFromJson(JSON.parse(text));
}

/** Links of the answer of `ip -j link`; anything that does not look like one is left out. */
export function linksFromJson(answer: unknown): Links {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return Object.fromEntries(list.flatMap((entry) => entryFromJson(entry)));
}

function entryFromJson(entry: unknown): readonly (readonly [string, Link])[] {
  if (typeof entry !== 'object' || entry === null) return [];
  const { ifname, flags, master } = entry as { ifname?: unknown; flags?: unknown; master?: unknown };
  if (typeof ifname !== 'string' || ifname === 'lo') return [];
  const up = Array.isArray(flags) && flags.includes('UP');
  return [[ifname, { kind: linkKind(ifname), up, ...(typeof master === 'string' ? { master } : {}) }]];
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  const names = new Set(b);
  return a.length === names.size && a.every((name) => names.has(name));
}
