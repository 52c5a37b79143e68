// Values of a VM without references: defaults, sizes, disks, readiness, life cycle.
import { type Address, formatAddress } from '../address.ts';
import type { DesiredDisk, DesiredVm, Lifecycle, Ready } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { quoted } from '../load/quote.ts';
import { isMap, type RawDisk, type RawLifecycle, type RawReady, type RawVm } from '../load/raw.ts';
import { parseDuration, parseSize } from '../units.ts';
import type { Context } from './context.ts';
import { defaults } from './defaults.ts';
import { undeclared } from './problem.ts';
import { diskSize } from './storage.ts';

const memoryStep = 2 * 2 ** 20;
const memoryMin = 96 * 2 ** 20;

/** CPUs now and at most; SBX2501. */
export function cpusOf(context: Context, raw: RawVm, path: Path): DesiredVm['cpus'] {
  const written = raw.cpus ?? defaults.cpus;
  const count = Number(isMap(written) ? written.count : written);
  const max = Number((isMap(written) ? written.max : undefined) ?? count);
  if (max < count)
    context.reporter.report('SBX2501', [...path, 'cpus', 'max'], { detail: `max, ${max}, is below count, ${count}.` });
  return { count, max };
}

/** Memory now and at most; SBX2501. */
export function memoryOf(context: Context, raw: RawVm, path: Path): DesiredVm['memory'] {
  const written = raw.memory ?? defaults.memory;
  const size = isMap(written) ? String(written.size) : String(written);
  const max = isMap(written) && written.max !== undefined ? String(written.max) : size;
  const nested = isMap(written) ? ['memory', 'size'] : ['memory'];
  const sizeBytes = memorySize(context, size, [...path, ...nested]);
  const maxBytes = max === size ? sizeBytes : memorySize(context, max, [...path, 'memory', 'max']);
  if (maxBytes > 0 && maxBytes < sizeBytes)
    context.reporter.report('SBX2501', [...path, 'memory', 'max'], { detail: `max, ${max}, is below size, ${size}.` });
  return { sizeBytes, maxBytes };
}

function memorySize(context: Context, text: string, path: Path): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= memoryMin && bytes % memoryStep === 0) return bytes;
  const rounded = bytes === undefined ? undefined : Math.max(Math.ceil(bytes / memoryStep) * 2, 96);
  context.reporter.report('SBX2501', path, {
    detail: `Memory is at least 96MiB, in steps of 2MiB, and ${quoted(text)} is not that.`,
    ...(rounded === undefined ? {} : { hint: `the next size that fits is ${rounded}MiB` }),
  });
  return 0;
}

/** Disks in the order of the file, `root` first; SBX2501, SBX2502 and unknown volumes. */
export function disksOf(context: Context, raw: RawVm, image: Address, path: Path): ReadonlyMap<string, DesiredDisk> {
  const disks = new Map<string, DesiredDisk>();
  if (imageHasDisk(context, image)) disks.set('root', { type: 'root' });
  for (const [name, written] of Object.entries(raw.disks ?? {})) {
    const disk = diskOf(context, name, written, [...path, 'disks', name], disks.has('root'));
    if (disk !== undefined) disks.set(name, disk);
  }
  return disks;
}

/** Recipes of sbx bring a disk; of one's own files, `disk` does. */
function imageHasDisk(context: Context, image: Address): boolean {
  const source = context.images.get(image.slice('image.'.length))?.source;
  return source?.type === 'build' || source?.disk !== undefined;
}

function diskOf(context: Context, name: string, raw: RawDisk, path: Path, hasRoot: boolean): DesiredDisk | undefined {
  const problem = contradiction(name, raw, hasRoot);
  if (problem !== undefined) {
    context.reporter.report('SBX2502', path, problem, 'key');
    return undefined;
  }
  if (raw.volume !== undefined) return volumeDisk(context, raw.volume, raw.readonly === true, [...path, 'volume']);
  const sizeBytes = raw.size === undefined ? undefined : diskSize(context, raw.size, [...path, 'size']);
  if (name === 'root') return sizeBytes === undefined ? { type: 'root' } : { type: 'root', sizeBytes };
  return sizeBytes === undefined ? undefined : { type: 'scratch', sizeBytes };
}

/** What is wrong with the keys of a disk together. */
function contradiction(name: string, raw: RawDisk, hasRoot: boolean): { detail: string; hint?: string } | undefined {
  const root = name === 'root';
  if (raw.volume !== undefined && root) return { detail: '"root" is the disk of the image and cannot be a volume.' };
  if (raw.volume !== undefined && raw.size !== undefined)
    return { detail: '"size" and "volume" exclude each other.', hint: 'a volume has its own size' };
  if (raw.volume === undefined && raw.readonly !== undefined) return { detail: '"readonly" goes with "volume".' };
  if (root && !hasRoot)
    return { detail: 'The image has no disk, so that there is no "root".', hint: 'give the disk another name' };
  if (!root && raw.volume === undefined && raw.size === undefined)
    return { detail: 'A disk needs "size" or "volume".' };
  return undefined;
}

function volumeDisk(context: Context, name: string, readonly: boolean, path: Path): DesiredDisk | undefined {
  if (context.volumes.has(name)) return { type: 'volume', volume: formatAddress({ kind: 'volume', name }), readonly };
  const { code, ...particulars } = undeclared(`volume.${name}`, name, context.volumes.keys());
  context.reporter.report(code, path, particulars);
  return undefined;
}

/** What the images of sbx are waited for, since all of them carry the agent. One object, since many VMs have it. */
const bootReady: Ready = { type: 'boot', timeoutMs: defaults.readyTimeoutMs };

/** When the VM counts as ready, with what its image means by saying nothing; SBX2502, SBX2506. */
export function readinessOf(
  context: Context,
  raw: RawVm,
  image: Address,
  path: Path,
): Pick<DesiredVm, 'ready' | 'readyByDefault'> {
  if (raw.ready === 'none') return { readyByDefault: false };
  if (raw.ready === undefined)
    return { readyByDefault: true, ...(carriesAgent(context, image) ? { ready: bootReady } : {}) };
  const ready = readyOf(context, raw.ready, [...path, 'ready']);
  return { readyByDefault: false, ...(ready === undefined ? {} : { ready }) };
}

/** Whether a guest of the image has an agent that answers. What is in files of one's own is not known. */
export function carriesAgent(context: Context, image: Address): boolean {
  return context.images.get(image.slice('image.'.length))?.source.type === 'build';
}

function readyOf(context: Context, raw: RawReady, path: Path): Ready | undefined {
  const ways = (['boot', 'tcp', 'http', 'exec'] as const).filter((way) => raw[way] !== undefined);
  const timeoutMs =
    raw.timeout === undefined ? defaults.readyTimeoutMs : durationOf(context, raw.timeout, [...path, 'timeout']);
  const [way, also] = ways;
  if (way === undefined || also !== undefined || raw.boot === false) {
    const found = ways.length === 0 ? 'none of them' : ways.join(' and ');
    const detail = `"ready" takes exactly one of boot: true, tcp, http and exec, not ${raw.boot === false ? 'boot: false' : found}.`;
    context.reporter.report('SBX2502', path, { detail }, 'key');
    return undefined;
  }
  if (timeoutMs === undefined) return undefined;
  if (raw.tcp !== undefined) return { type: 'tcp', port: Number(raw.tcp), timeoutMs };
  if (raw.exec !== undefined) return { type: 'exec', argv: raw.exec, timeoutMs };
  if (raw.http === undefined) return { type: 'boot', timeoutMs };
  const { port, path: page = '/' } = isMap(raw.http) ? raw.http : { port: raw.http };
  return { type: 'http', port: Number(port), path: page, timeoutMs };
}

/** Milliseconds of a duration that is longer than nothing; SBX2506. */
export function durationOf(context: Context, text: string, path: Path): number | undefined {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  context.reporter.report('SBX2506', path, { detail: `${quoted(text)} is not a duration such as 90s, 4h or 1h30m.` });
  return undefined;
}

/** The life cycle with its defaults; `triggers` are its resolved addresses. */
export function lifecycleOf(raw: RawLifecycle | undefined, triggers: readonly Address[]): Lifecycle {
  return {
    preventDestroy: raw?.prevent_destroy === true,
    ignoreChanges: raw?.ignore_changes ?? [],
    replaceTriggeredBy: triggers,
  };
}
