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
import { extractFile, findRevision, type GitRevision, pathInTree } from './git-revision.ts';
import { loadAlone, sourcesOf } from './load-file.ts';
import type { Loaded as Sources } from './read-sources.ts';
import type { GlobalOptions, Planned, PlanRequest } from './services.ts';
import type { Workplace } from './session.ts';
import { stdinName } from './source-files.ts';

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
  const revision = await findRevision(ref, sources.folder);
  if (!revision.ok) return revision;
  // Resolved, so that paths of the loaded file can be told to lie in it.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sbx-against-')));
  try {
    return await loadExtracted(workplace, sources, revision.value, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function loadExtracted(
  workplace: Workplace,
  sources: Sources,
  revision: GitRevision,
  folder: string,
): Promise<Checked<Before>> {
  const paths = await Promise.all(sources.files.map((file) => pathInTree(file, revision)));
  const [first] = paths;
  const files: string[] = [];
  for (const path of paths) {
    if (path === undefined) return failed(outside(revision));
    if (await extractFile(revision, path, folder)) files.push(join(folder, path));
    // Without its first file, whose folder is that of the sandbox, the revision has no such sandbox.
    else if (path === first) return ok('nothing');
  }
  const old = inFolder(workplace.options, files, dirname(files[0] ?? folder));
  const read = await sourcesOf(old);
  if (!read.ok) return named(read, old.cwd, revision);
  for (const named of namedFiles(read.value)) {
    const path = await pathInTree(join(sources.folder, named), revision);
    if (path !== undefined) await extractFile(revision, path, folder);
  }
  const declared = read.value.document.root.variables ?? {};
  const loaded = await loadAlone({ ...old, vars: old.vars.filter(({ name }) => Object.hasOwn(declared, name)) });
  if (!loaded.ok) return named(loaded, old.cwd, revision);
  // Paths of the user's files are those of today: what differs is what is in them.
  const desired = moved(loaded.value.desired, old.cwd, sources.folder);
  const [then, today] = await Promise.all([imagesOf(workplace, loaded.value.desired), imagesOf(workplace, desired)]);
  // What the repository does not hold cannot be a change of it.
  const images = new Map([...then].map(([at, seen]) => [at, seen.digest === unknown ? (today.get(at) ?? seen) : seen]));
  return ok({ desired, images });
}

function outside({ root }: GitRevision): Diagnostic {
  return diagnostic('SBX0001', { detail: `A file given with -f lies outside of the work tree ${root}.` });
}

/** The same options in another folder; what is named on the command line stays where it is. */
function inFolder(options: GlobalOptions, files: readonly string[], cwd: string): GlobalOptions {
  const here = (path: string): string => (path === stdinName ? path : resolve(options.cwd, path));
  return { ...options, files, cwd, varFiles: options.varFiles.map(here), allowPaths: options.allowPaths.map(here) };
}

/** Files that a document names: those it reads, and those of its images. */
function namedFiles(sources: Sources): readonly string[] {
  const images = Object.values(sources.document.root.images ?? {});
  const paths = images
    .flatMap((image) => [image.kernel, image.initrd, image.disk])
    .filter((path) => path !== undefined);
  return [...collectFileReferences(sources.document), ...paths].filter(
    (path) => !path.startsWith('/') && !path.split('/').includes('..') && !path.includes('${'),
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

function moved(desired: Desired, from: string, to: string): Desired {
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
  return { ...desired, folder: to, resources };
}
