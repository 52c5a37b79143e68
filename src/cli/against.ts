// plan --against: the change between two revisions of a file, with impact and price, and without any host.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { Address } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import type { Desired, DesiredImage } from '../core/desired.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { collectFileReferences } from '../core/expand/index.ts';
import type { ImageObservation } from '../core/observed.ts';
import { asApplied } from '../core/plan/as-applied.ts';
import { noOptions } from '../core/plan/context.ts';
import type { DriverChoice, Plan } from '../core/plan/plan.ts';
import { planSandbox } from '../core/plan/planner.ts';
import { tryRun } from '../host/exec.ts';
import { observeImage } from '../kinds/image/provider.ts';
import { kindRules } from '../kinds/index.ts';
import { keyedHash, temporaryKey } from '../store/key.ts';
import { referenceCapabilities } from '../vmm/index.ts';
import { loadAlone, sourcesOf } from './loading.ts';
import type { Loaded as Sources } from './read-sources.ts';
import type { GlobalOptions, Planned, PlanRequest } from './services.ts';
import type { Workplace } from './session.ts';

/** Plans from an older revision of the file to the one that is here. Looks at no VMM, KVM or state. */
export async function planAgainst(
  workplace: Workplace,
  request: PlanRequest,
  revision: string,
): Promise<Checked<Planned>> {
  const now = await loadAlone(workplace.options);
  if (!now.ok) return now;
  const before = revision.startsWith('git:')
    ? await loadRevision(workplace.options, now.value.sources, revision.slice('git:'.length))
    : await loadFile(workplace.options, revision);
  if (!before.ok) return before;
  const plan = planBetween(workplace, request, before.value, {
    desired: now.value.desired,
    images: await imagesOf(workplace, now.value.desired),
  });
  if (!plan.ok) return plan;
  return ok({ plan: plan.value, apply: async () => failed(onPaper()), save: async () => undefined }, now.warnings);
}

interface Revision {
  readonly desired: Desired;
  readonly images: ReadonlyMap<Address, ImageObservation>;
}

function onPaper(): Diagnostic {
  return diagnostic('SBX0001', {
    detail: 'A plan between two revisions cannot be applied: it was made without a host.',
    hint: 'Apply the file:\nsbx apply',
  });
}

function planBetween(workplace: Workplace, request: PlanRequest, before: Revision, now: Revision): Checked<Plan> {
  const name = workplace.options.vmm === 'auto' ? 'cloud-hypervisor' : workplace.options.vmm;
  const driver: DriverChoice = { chosen: referenceCapabilities(name), others: [] };
  const key = temporaryKey();
  const hash = (text: string): string => keyedHash(key, text);
  const world = asApplied({ desired: before.desired, driver, hash, images: before.images }, kindRules);
  // Both images count as built: building is no matter of the revision.
  const observed = { ...world.observed, images: now.images };
  const options = { ...noOptions, targets: request.targets, replace: request.replace, purge: request.purge };
  const plan = planSandbox(
    { mode: request.mode, desired: now.desired, state: world.state, observed, driver, hash, options },
    kindRules,
  );
  if (!plan.ok) return plan;
  const { prior: _prior, ...rest } = plan.value;
  return ok(rest, plan.warnings);
}

async function imagesOf(workplace: Workplace, desired: Desired): Promise<ReadonlyMap<Address, ImageObservation>> {
  const images = [...desired.resources.values()].filter(
    (resource): resource is DesiredImage => resource.kind === 'image',
  );
  const folders = { cacheDir: workplace.home.cache, recipesDir: workplace.installation.recipesDir };
  const observations = await Promise.all(
    images.map((image) => observeImage(image, { images: folders }, { changed: false })),
  );
  return new Map(
    images.map(({ address }, index) => [address, { ...(observations[index] ?? { digest: '' }), cached: true }]),
  );
}

async function loadFile(options: GlobalOptions, file: string): Promise<Checked<Revision>> {
  const loaded = await loadAlone({ ...options, files: [resolve(options.cwd, file)] });
  return loaded.ok ? ok({ desired: loaded.value.desired, images: new Map() }) : loaded;
}

/** Lays the file of a revision, with all that it names, into a folder of its own and loads it there. */
async function loadRevision(options: GlobalOptions, sources: Sources, ref: string): Promise<Checked<Revision>> {
  const bad = await problemOf(ref, sources.folder);
  if (bad !== undefined) return failed(bad);
  const folder = await mkdtemp(join(tmpdir(), `sbx-${randomBytes(3).toString('hex')}-`));
  try {
    const names = sources.files.map((file) => relative(sources.folder, file));
    for (const name of names) {
      if (!(await extract(ref, sources.folder, name, folder))) {
        return failed(
          diagnostic('SBX1001', {
            detail: `${name} is not in revision ${ref}.`,
            hint: `See what is there with:\ngit ls-tree ${ref}`,
          }),
        );
      }
    }
    const old = { ...options, files: names.map((name) => join(folder, name)), cwd: folder };
    const first = await sourcesOf(old);
    if (!first.ok) return named(first, folder, ref);
    for (const path of namedFiles(first.value)) await extract(ref, sources.folder, path, folder);
    const loaded = await loadAlone(old);
    if (!loaded.ok) return named(loaded, folder, ref);
    // Paths of the user's files are those of today: what differs is what is in them.
    const desired = moved(loaded.value.desired, folder, sources.folder);
    return ok({ desired, images: new Map() });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function problemOf(ref: string, folder: string): Promise<Diagnostic | undefined> {
  const hint = 'Name a branch, tag or commit, as in --against git:main';
  if (ref === '' || ref.startsWith('-')) return diagnostic('SBX0001', { detail: `"${ref}" is not a revision.`, hint });
  const found = await tryRun(
    ['git', '-C', folder, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`],
    { timeoutMs: 30_000 },
  );
  return found.code === 0
    ? undefined
    : diagnostic('SBX0001', { detail: `git knows no revision "${ref}" in ${folder}.`, hint });
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

/** Writes one file of a revision below `to`; false when the revision does not have it. */
async function extract(ref: string, from: string, path: string, to: string): Promise<boolean> {
  const target = join(to, path);
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, 'w', 0o600);
  try {
    const child = spawn('git', ['-C', from, 'show', '--end-of-options', `${ref}:./${path}`], {
      stdio: ['ignore', file.fd, 'ignore'],
    });
    const code = await new Promise<number | null>((done, reject) => {
      child.once('error', reject);
      child.once('close', done);
    });
    if (code !== 0) await rm(target, { force: true });
    return code === 0;
  } finally {
    await file.close();
  }
}

/** Diagnostics of an old revision name it, not the folder that it was laid into. */
function named(
  result: { readonly ok: false; readonly diagnostics: readonly Diagnostic[] },
  folder: string,
  ref: string,
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
