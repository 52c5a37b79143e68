// Which links a namespace has: read as files through the keeper, with no process; by `ip` where that is not possible.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { linkKind } from '../core/link-names.ts';
import type { SandboxObservation } from '../core/observed.ts';
import { run } from './exec.ts';
import { programPath } from './programs.ts';
import { enterArgv, type SpaceRef } from './space-ref.ts';

type Links = SandboxObservation['links'];
type Link = Links[string];

/** Links of the namespace by name, without `lo`. */
export async function readLinks(space: SpaceRef): Promise<Links> {
  return allFromFiles(space.keeper.pid) ?? (await allFromIp(space));
}

/** Those of the named links that are there: the same, at a cost that does not grow with what else is there. */
export async function readSomeLinks(space: SpaceRef, names: readonly string[]): Promise<Links> {
  const some = someFromFiles(space.keeper.pid, names);
  if (some !== undefined) return some;
  const all = await allFromIp(space);
  return Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}

function allFromFiles(pid: number): Links | undefined {
  const folder = linkFolder(pid);
  if (folder === undefined) return undefined;
  try {
    const names = readdirSync(folder).filter((name) => name !== 'lo' && name !== 'bonding_masters');
    const bridges = names.filter((name) => linkKind(name) === 'bridge');
    const masters = new Map(bridges.flatMap((bridge) => portsOf(folder, bridge).map((port) => [port, bridge])));
    return Object.fromEntries(names.map((name) => [name, linkFrom(folder, name, masters.get(name))]));
  } catch {
    // A link or the keeper went away in between: `ip` sees one moment.
    return undefined;
  }
}

function someFromFiles(pid: number, names: readonly string[]): Links | undefined {
  const folder = linkFolder(pid);
  if (folder === undefined) return undefined;
  try {
    const there = names.filter((name) => existsSync(`${folder}/${name}`));
    return Object.fromEntries(there.map((name) => [name, linkFrom(folder, name, masterOf(folder, name))]));
  } catch {
    // As above.
    return undefined;
  }
}

/** The folder of links in the sysfs that the keeper has mounted (as source `sbx`), or undefined when it could not. */
function linkFolder(pid: number): string | undefined {
  try {
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
    return / \/sys \S+.* - sysfs sbx /.test(mounts) ? `/proc/${pid}/root/sys/class/net` : undefined;
  } catch {
    // The process is gone, or not ours to look at.
    return undefined;
  }
}

function masterOf(folder: string, name: string): string | undefined {
  try {
    return basename(readlinkSync(`${folder}/${name}/master`));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function portsOf(folder: string, bridge: string): readonly string[] {
  return readdirSync(`${folder}/${bridge}/brif`);
}

function linkFrom(folder: string, name: string, master: string | undefined): Link {
  const up = (Number(readFileSync(`${folder}/${name}/flags`, 'latin1')) & 1) === 1;
  return { kind: linkKind(name), up, ...(master === undefined ? {} : { master }) };
}

async function allFromIp(space: SpaceRef): Promise<Links> {
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
