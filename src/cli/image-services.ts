// Images and their cache, as the image command works on them.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, SbxError } from '../core/errors.ts';
import type { CachedImage } from '../core/render/status-model.ts';
import { ensureImage, removeAbandoned } from '../images/cache.ts';
import { damagedFiles, type Manifest, readManifest } from '../images/manifest.ts';
import { loadRecipe } from '../images/recipe.ts';
import { imagesDir } from '../store/home.ts';
import { imageUsers } from './image-usage.ts';
import type { ImageServices } from './services.ts';
import type { Workplace } from './session.ts';

interface Entry {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly image: CachedImage;
}

/** Image services over a workplace that is opened on first use. */
export function buildImageServices(workplace: () => Promise<Workplace>): ImageServices {
  return {
    list: async () => (await entries(await workplace())).map(({ image }) => image),
    build: async ({ recipe, force, progress, signal }) => {
      const place = await workplace();
      const { recipesDir } = place.installation;
      const before = await entries(place);
      const options = { cacheDir: place.home.cache, recipesDir, onProgress: progress, signal, refresh: force };
      await ensureImage({ type: 'build', recipe }, options);
      const { digest } = await loadRecipe(recipesDir, recipe);
      const after = (await entries(place)).find(({ manifest }) => manifest.digest === digest);
      if (after === undefined) throw new SbxError('SBX7001', `the image ${recipe} is not in the cache after its build`);
      const same = before.some(
        ({ manifest }) => manifest.digest === digest && manifest.builtAtMs === after.manifest.builtAtMs,
      );
      return { image: after.image, built: !same };
    },
    verify: async (name) => {
      const all = (await entries(await workplace())).filter(
        ({ manifest }) => name === undefined || manifest.recipe === name,
      );
      return await Promise.all(
        all.map(async ({ folder, manifest, image }) => ({ image, problems: await problemsOf(folder, manifest) })),
      );
    },
    prune: async ({ dryRun }) => {
      const unused = (await entries(await workplace())).filter(({ image }) => image.usedBy.length === 0);
      if (!dryRun) await removeUnused(await workplace(), unused);
      return unused.map(({ image }) => image);
    },
  };
}

async function removeUnused({ home }: Workplace, unused: readonly Entry[]): Promise<void> {
  for (const { folder } of unused) await rm(folder, { recursive: true, force: true });
  await removeAbandoned(imagesDir(home)).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
}

async function problemsOf(folder: string, manifest: Manifest): Promise<readonly string[]> {
  return (await damagedFiles(folder, manifest)).map((name) => `${name} is not as it was built`);
}

/** Whole images of the cache with the sandboxes of this home that use them. */
async function entries(workplace: Workplace): Promise<readonly Entry[]> {
  const parent = imagesDir(workplace.home);
  const names = await readdir(parent).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  const users = await imageUsers(workplace.home);
  const found: Entry[] = [];
  for (const name of names.filter((candidate) => /^[0-9a-f]{32}$/.test(candidate)).sort()) {
    const folder = join(parent, name);
    const manifest = await readManifest(folder);
    if (manifest === undefined) continue;
    const sizeBytes = Object.values(manifest.files).reduce((sum, file) => sum + file.sizeBytes, 0);
    const { recipe, digest, builtAtMs } = manifest;
    found.push({
      folder,
      manifest,
      image: { name: recipe, digest, sizeBytes, builtAtMs, usedBy: users.get(digest) ?? [] },
    });
  }
  return found;
}
