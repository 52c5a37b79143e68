// plan --against: the change between two revisions of a file, with impact and price, and without any host.
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { Address } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import type { Desired, DesiredImage } from '../core/desired.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { collectFileReferences, expand } from '../core/expand/index.ts';
import type { ImageObservation, Observed } from '../core/observed.ts';
import { asApplied, unapplied } from '../core/plan/as-applied.ts';
import { noOptions } from '../core/plan/context.ts';
import type { DriverChoice, Plan } from '../core/plan/plan.ts';
import { planSandbox } from '../core/plan/planner.ts';
import type { State } from '../core/state/state.ts';
import { observeImage } from '../kinds/image/provider.ts';
import { kindRules } from '../kinds/index.ts';
import { keyedHash, temporaryKey } from '../store/key.ts';
import { referenceCapabilities } from '../vmm/index.ts';
import { allocationsOf } from './allocations.ts';
import { isWithin } from './folder-rule.ts';
import { findRevision, type GitRevision, type Layer, openRevision, pathInTree } from './git-revision.ts';
import { loadAlone, sourcesOf } from './load-file.ts';
import type { Loaded as Sources } from './read-sources.ts';
import type { GlobalOptions, Planned, PlanRequest } from './services.ts';
import type { Workplace } from './session.ts';
import { maxSourceBytes, stdinName } from './source-files.ts';

/** What an older revision says; nothing where it does not have the file yet. */
interface Revision {
  readonly desired: Desired;
  readonly images: Images;
}

type Images = ReadonlyMap<Address, ImageObservation>;
type Before = Revision | 'nothing';

/** Plans from an older revision of the file to the one that is here. Looks at no VMM, KVM or state. */
export async function planAgainst(
  workplace: Workplace,
  request: PlanRequest,
  revision: string,
): Promise<Checked<Planned>> {
  const { options } = workplace;
  const sources = await sourcesOf(options);
  if (!sources.ok) return sources;
  if (revision === stdinName && [...options.files, ...options.varFiles].includes(stdinName))
    return failed(diagnostic('SBX0001', { detail: 'Standard input (-) can be read as one file only.' }));
  const before = revision.startsWith('git:')
    ? await loadRevision(workplace, sources.value, revision.slice('git:'.length))
    : await loadFile(workplace, revision);
  if (!before.ok) return before;
  const world = worldBefore(workplace, before.value);
  const now = expand(sources.value.document, {
    ...sources.value.expandInputs,
    allocations: allocationsIn(world.state),
  });
  if (!now.ok) return now;
  const plan = planBetween(request, world, now.value, await imagesOf(workplace, now.value));
  if (!plan.ok) return plan;
  const warnings = [...sources.warnings, ...now.warnings];
  return ok({ plan: plan.value, apply: async () => failed(onPaper()), save: async () => undefined }, warnings);
}

function onPaper(): Diagnostic {
  return diagnostic('SBX0001', {
    detail: 'A plan between two revisions cannot be applied: it was made without a host.',
    hint: 'Apply the file:\nsbx apply',
  });
}

interface World {
  readonly observed: Observed;
  readonly state?: State;
  readonly driver: DriverChoice;
  readonly hash: (text: string) => string;
}

/** A sandbox right after the older revision was applied, by the best release of the VMM. */
function worldBefore({ options }: Workplace, before: Before): World {
  const name = options.vmm === 'auto' ? 'cloud-hypervisor' : options.vmm;
  const driver: DriverChoice = { chosen: referenceCapabilities(name), others: [] };
  const key = temporaryKey();
  const hash = (text: string): string => keyedHash(key, text);
  const seen = before === 'nothing' ? { observed: unapplied } : asApplied({ ...before, driver, hash }, kindRules);
  return { ...seen, driver, hash };
}

/** What the older revision got by itself, addresses and ports, stays. */
function allocationsIn(state: State | undefined): ReturnType<typeof allocationsOf> {
  return allocationsOf(state, { reserved: new Map(), taken: () => new Set(), salt: '' });
}

function planBetween(request: PlanRequest, world: World, desired: Desired, images: Images): Checked<Plan> {
  const { state, driver, hash } = world;
  const options = { ...noOptions, targets: request.targets, replace: request.replace, purge: request.purge };
  const observed = { ...world.observed, images };
  const known = state === undefined ? {} : { state };
  const plan = planSandbox({ mode: request.mode, desired, observed, driver, hash, options, ...known }, kindRules);
  if (!plan.ok) return plan;
  // Neither a state nor a VMM of some host is part of it.
  const { prior: _prior, driver: _driver, ...rest } = plan.value;
  return ok(rest, plan.warnings);
}

/** Stands for the digest of files that cannot be read. */
const unknown = 'unknown';

/** Images count as built, and files that are not there as equal: neither is a matter of the revision. */
async function imagesOf(workplace: Workplace, desired: Desired): Promise<Images> {
  const images = [...desired.resources.values()].filter(
    (resource): resource is DesiredImage => resource.kind === 'image',
  );
  const folders = { cacheDir: workplace.home.cache, recipesDir: workplace.installation.recipesDir };
  const pairs = images.map(async (image): Promise<readonly [Address, ImageObservation]> => {
    const { problem, ...seen } = await observeImage(image, { images: folders }, { changed: false });
    return [image.address, problem === undefined ? { ...seen, cached: true } : { digest: unknown, cached: true }];
  });
  return new Map(await Promise.all(pairs));
}

async function loadFile(workplace: Workplace, file: string): Promise<Checked<Before>> {
  const { options } = workplace;
  const loaded = await loadAlone({ ...options, files: [file] });
  if (!loaded.ok) return loaded;
  const { desired } = loaded.value;
  return ok({ desired, images: await imagesOf(workplace, desired) });
}

/** Lays the file of a revision, with all that it names, into a folder of its own and loads it there. */
async function loadRevision(workplace: Workplace, sources: Sources, ref: string): Promise<Checked<Before>> {
  // Resolved, so that paths of the loaded file can be told to lie in it.
  const scratch = await realpath(await mkdtemp(join(tmpdir(), 'sbx-against-')));
  try {
    const revision = await findRevision(ref, {
      folder: sources.folder,
      path: workplace.surroundings.environment['PATH'] ?? '',
      allowed: workplace.options.allowPaths,
      scratch,
    });
    if (!revision.ok) return revision;
    const folder = join(scratch, 'tree');
    const layer = openRevision(revision.value, folder);
    try {
      return await loadLaid({ workplace, sources, revision: revision.value, folder, layer });
    } finally {
      layer.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** An older revision on its way into a folder. */
interface Laying {
  readonly workplace: Workplace;
  /** Of today */
  readonly sources: Sources;
  readonly revision: GitRevision;
  /** What stands for the root of the work tree */
  readonly folder: string;
  readonly layer: Layer;
}

/** Most bytes of a file that an image names. */
const mostImageBytes = 512 * 1024 * 1024;

async function loadLaid(laying: Laying): Promise<Checked<Before>> {
  const { workplace, sources, revision, folder } = laying;
  const files = await layFiles(laying);
  if (!files.ok) return files;
  if (files.value === 'nothing') return ok('nothing');
  const old = inFolder(workplace.options, files.value, { root: revision.root, folder });
  const read = await sourcesOf(old);
  if (!read.ok) return named(read, folder, revision);
  const here = relative(revision.root, await realpath(sources.folder));
  for (const path of namedFiles(read.value)) {
    const laid = await laying.layer.lay(join(here, path), mostImageBytes);
    if (!laid.ok) return laid;
  }
  const declared = read.value.document.root.variables ?? {};
  const loaded = await loadAlone({ ...old, vars: old.vars.filter(({ name }) => Object.hasOwn(declared, name)) });
  if (!loaded.ok) return named(loaded, folder, revision);
  // Paths of the user's files are those of today: what differs is what is in them.
  const desired = moved(loaded.value.desired, folder, revision.root, sources.folder);
  const [then, today] = await Promise.all([imagesOf(workplace, loaded.value.desired), imagesOf(workplace, desired)]);
  // What the repository does not hold cannot be a change of it.
  const images = new Map([...then].map(([at, seen]) => [at, seen.digest === unknown ? (today.get(at) ?? seen) : seen]));
  return ok({ desired, images });
}

/** The sandbox files of the revision; nothing when it has no such sandbox, which is known by its first file. */
async function layFiles({ sources, revision, folder, layer }: Laying): Promise<Checked<readonly string[] | 'nothing'>> {
  const files: string[] = [];
  for (const [at, file] of sources.files.entries()) {
    const path = file === stdinName ? undefined : pathInTree(file, revision);
    if (path === undefined) return failed(outside(revision));
    const laid = await layer.lay(path, maxSourceBytes);
    if (!laid.ok) return laid;
    if (laid.value) files.push(join(folder, path));
    else if (at === 0) return ok('nothing');
  }
  return ok(files);
}

function outside({ root }: GitRevision): Diagnostic {
  return diagnostic('SBX0001', {
    detail: `A file given with -f lies outside of the work tree ${root}, so that it has no revisions.`,
  });
}

/** The same options for files laid into a folder; what else is named on the command line stays where it is. */
function inFolder(
  options: GlobalOptions,
  files: readonly string[],
  { root, folder }: { readonly root: string; readonly folder: string },
): GlobalOptions {
  const here = (path: string): string => (path === stdinName ? path : resolve(options.cwd, path));
  const allowed = options.allowPaths.map(here);
  const laid = allowed.filter((path) => isWithin(path, root)).map((path) => join(folder, relative(root, path)));
  return {
    ...options,
    files,
    cwd: dirname(files[0] ?? folder),
    varFiles: options.varFiles.map(here),
    allowPaths: [...allowed, ...laid],
  };
}

/** Files that a document names: those it reads, and those of its images. */
function namedFiles(sources: Sources): readonly string[] {
  const images = Object.values(sources.document.root.images ?? {});
  const paths = images
    .flatMap((image) => [image.kernel, image.initrd, image.disk])
    .filter((path) => path !== undefined);
  return [...collectFileReferences(sources.document), ...paths].filter(
    (path) => !path.startsWith('/') && !path.includes('${') && !path.includes('\0'),
  );
}

/** Diagnostics of an old revision name it, not the folder that it was laid into. */
function named(
  result: { readonly ok: false; readonly diagnostics: readonly Diagnostic[] },
  folder: string,
  { ref }: GitRevision,
): Checked<never> {
  const shown = result.diagnostics.map((found) => {
    const { place } = found;
    return place === undefined
      ? found
      : { ...found, place: { ...place, file: `git:${ref}:${relative(folder, resolve(folder, place.file))}` } };
  });
  const [first, ...rest] = shown;
  return first === undefined ? failed(onPaper()) : failed(first, ...rest);
}

function moved(desired: Desired, from: string, to: string, sandbox: string): Desired {
  const move = (path: string): string => (path.startsWith(`${from}/`) ? join(to, relative(from, path)) : path);
  const resources = new Map(
    [...desired.resources].map(([address, resource]) => {
      if (resource.kind !== 'image' || resource.source.type !== 'files') return [address, resource] as const;
      const { kernel, initrd, disk, ...rest } = resource.source;
      const source = {
        ...rest,
        kernel: move(kernel),
        ...(initrd === undefined ? {} : { initrd: move(initrd) }),
        ...(disk === undefined ? {} : { disk: move(disk) }),
      };
      return [address, { ...resource, source }] as const;
    }),
  );
  return { ...desired, folder: sandbox, resources };
}
