// Images and volumes.
import { formatAddress } from '../address.ts';
import type { ImageSource } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { quoted } from '../load/quote.ts';
import type { RawImage } from '../load/raw.ts';
import { parseSize } from '../units.ts';
import type { Context } from './context.ts';
import { resolvedResource } from './resolved.ts';

const sector = 512;
const smallestDisk = 2 ** 20;

/** Fills `context.volumes`; SBX2501. */
export function resolveVolumes(context: Context): void {
  for (const [name, written] of Object.entries(context.root.volumes ?? {})) {
    const path: Path = ['volumes', name];
    const raw = resolvedResource(context, 'volume', path, written);
    const sizeBytes = raw === undefined ? undefined : diskSize(context, raw.size, [...path, 'size']);
    const volume =
      sizeBytes === undefined
        ? undefined
        : {
            kind: 'volume' as const,
            address: formatAddress({ kind: 'volume', name }),
            place: () => context.reporter.place(path, 'key'),
            sizeBytes,
            protect: raw?.protect === true,
          };
    context.volumes.set(name, volume);
  }
}

/** The bytes of a disk: whole sectors, at least 1MiB. */
export function diskSize(context: Context, text: string, path: Path): number | undefined {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= smallestDisk && bytes % sector === 0) return bytes;
  context.reporter.report('SBX2501', path, {
    detail: `A disk has at least 1MiB, in steps of 512 bytes, and ${quoted(text)} is not that.`,
  });
  return undefined;
}

/** Fills `context.images`; SBX1004, SBX2502. */
export function resolveImages(context: Context): void {
  for (const [name, written] of Object.entries(context.root.images ?? {})) {
    const path: Path = ['images', name];
    const raw = resolvedResource(context, 'image', path, written);
    const source = raw === undefined ? undefined : sourceOf(context, raw, path);
    const image =
      source === undefined
        ? undefined
        : {
            kind: 'image' as const,
            address: formatAddress({ kind: 'image', name }),
            place: () => context.reporter.place(path, 'key'),
            source,
          };
    context.images.set(name, image);
  }
}

function sourceOf(context: Context, raw: RawImage, path: Path): ImageSource | undefined {
  const files = (['kernel', 'initrd', 'cmdline', 'disk'] as const).filter((key) => raw[key] !== undefined);
  if (raw.build !== undefined) {
    const [also] = files;
    if (also === undefined) return { type: 'build', recipe: raw.build };
    return refuse(context, [...path, also], `"build" and "${also}" exclude each other.`);
  }
  if (raw.kernel === undefined) return refuse(context, path, 'An image needs "build" or "kernel".');
  const kernel = fileOf(context, raw.kernel, [...path, 'kernel']);
  const initrd = raw.initrd === undefined ? '' : fileOf(context, raw.initrd, [...path, 'initrd']);
  const disk = raw.disk === undefined ? '' : fileOf(context, raw.disk, [...path, 'disk']);
  if (kernel === undefined || initrd === undefined || disk === undefined) return undefined;
  return {
    type: 'files',
    kernel,
    ...(initrd === '' ? {} : { initrd }),
    ...(raw.cmdline === undefined ? {} : { cmdline: raw.cmdline }),
    ...(disk === '' ? {} : { disk }),
  };
}

function refuse(context: Context, path: Path, detail: string): undefined {
  context.reporter.report('SBX2502', path, { detail }, 'key');
}

function fileOf(context: Context, written: string, path: Path): string | undefined {
  const resolved = context.inputs.resolvePath(written);
  if ('path' in resolved) return resolved.path;
  if (resolved.problem === 'outside')
    context.reporter.report('SBX1004', path, {
      detail: `${quoted(written)} leads outside the folder of the sandbox file.`,
      hint: 'if that is meant, allow its folder with --allow-path',
    });
  else context.reporter.report('SBX1001', path, { detail: `${quoted(written)} cannot be followed to a file.` });
  return undefined;
}
