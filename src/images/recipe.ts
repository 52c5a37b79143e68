// Recipes: the folders under images/ that say what an image is made of, and the digest of everything in them.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, SbxError } from '../core/errors.ts';
import { sha256Hex } from '../core/sha256.ts';

/** Counts changes of the builder that make other images from equal recipes. */
export const builderVersion = 1;

/** What recipe.json says. Paths are absolute inside the image. */
export interface Recipe {
  readonly format_version: 1;
  readonly name: string;
  readonly description: string;
  readonly kernel: {
    /** Distribution id → packages of which the first known one leads to the kernel */
    readonly packages: Readonly<Record<string, readonly string[]>>;
    /** Modules that are loaded at boot or on demand, without their dependencies */
    readonly modules: readonly string[];
    /** Of these, loaded by the guest's first script */
    readonly load: readonly string[];
    readonly cmdline: string;
  };
  readonly packages: readonly string[];
  /** Libraries that are loaded by name at run time, beside those that programs need */
  readonly libraries: readonly string[];
  /** Path in the image → where packages may have it */
  readonly files: Readonly<Record<string, readonly string[]>>;
  readonly links: Readonly<Record<string, string>>;
  readonly folders: readonly string[];
  readonly disk: { readonly sizeBytes: number };
}

/** A recipe with its own files: `recipe.json` and everything under `root/`. */
export interface LoadedRecipe {
  readonly recipe: Recipe;
  /** Path in the image → content */
  readonly overlay: ReadonlyMap<string, Buffer>;
  /** sha256 over builder version, recipe.json and the overlay, in hexadecimal */
  readonly digest: string;
}

/** Reads a recipe whole. Throws SBX7002 when there is none of this name or it cannot be understood. */
export async function loadRecipe(recipesDir: string, name: string): Promise<LoadedRecipe> {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) throw new SbxError('SBX7002', `${JSON.stringify(name)} is no recipe name`);
  const folder = join(recipesDir, name);
  const text = await readFile(join(folder, 'recipe.json')).catch((cause: unknown) => {
    const hint = 'The recipes of sbx lie in its folder images/.';
    throw new SbxError('SBX7002', `there is no recipe ${JSON.stringify(name)} in ${recipesDir}`, { cause, hint });
  });
  const overlay = new Map<string, Buffer>();
  await readOverlay(join(folder, 'root'), '', overlay);
  const files = [...overlay].flatMap(([path, content]) => [`\0${path}\0${content.length}\0`, content]);
  const digest = sha256Hex(`builder ${builderVersion}\0${text.length}\0`, text, ...files);
  return { recipe: parseRecipe(name, text.toString()), overlay, digest };
}

function parseRecipe(name: string, text: string): Recipe {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SbxError('SBX7002', `recipe ${name} is no valid JSON`, { cause });
  }
  const recipe = value as Recipe;
  if (recipe?.format_version !== 1 || recipe.name !== name)
    throw new SbxError('SBX7002', `recipe ${name} has another name or format_version inside`);
  return recipe;
}

async function readOverlay(folder: string, path: string, into: Map<string, Buffer>): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = join(folder, entry.name);
    if (entry.isDirectory()) await readOverlay(at, `${path}/${entry.name}`, into);
    else if (entry.isFile()) into.set(`${path}/${entry.name}`, await readFile(at));
  }
}
