// Which sandboxes of a home use which image of the cache, and the end of copies of users' files that none uses any more.
import { rm } from 'node:fs/promises';
import { SbxError } from '../core/errors.ts';
import type { State } from '../core/state/state.ts';
import { imageFolder } from '../images/cache.ts';
import { filesRecipe, readManifest } from '../images/manifest.ts';
import type { Home } from '../store/home.ts';
import { listSandboxes } from '../store/list.ts';

/**
 * Digest → sandboxes that boot from it, or have a VM that did: a guest that reboots may have its kernel read again. A state
 * that cannot be read counts as using everything: nothing is removed on a guess, and its diagnostic is thrown.
 */
export async function imageUsers(home: Home): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>();
  for (const { layout, snapshot } of await listSandboxes(home)) {
    if (!snapshot.ok) {
      const [first] = snapshot.diagnostics;
      throw new SbxError(first.code, first.detail, first.hint === undefined ? {} : { hint: first.hint });
    }
    for (const digest of digestsOf(snapshot.value.state)) users.set(digest, [...(users.get(digest) ?? []), layout.id]);
  }
  return users;
}

/** Digests of the images that a state names. */
function digestsOf(state: State | undefined): ReadonlySet<string> {
  const digests = (state?.resources ?? []).flatMap((record) => {
    if (record.kind === 'image') return [record.attrs.digest];
    return record.kind === 'vm' ? [record.attrs.imageDigest] : [];
  });
  return new Set(digests.filter((digest) => digest !== ''));
}

/**
 * Removes copies of users' files that `before` named, `after` does not, and no sandbox of the home uses. What was built from
 * a recipe stays. Where that cannot be told, all stays: `sbx image prune` is there for the rest.
 */
export async function releaseCopies(home: Home, before: State | undefined, after: State): Promise<void> {
  const still = digestsOf(after);
  const candidates = [...digestsOf(before)].filter((digest) => !still.has(digest));
  if (candidates.length === 0) return;
  const users = await imageUsers(home).catch((error: unknown) => {
    if (error instanceof SbxError) return undefined;
    throw error;
  });
  for (const digest of users === undefined ? [] : candidates) {
    const folder = imageFolder(home.cache, digest);
    if (users?.has(digest) || (await readManifest(folder))?.recipe !== filesRecipe) continue;
    await rm(folder, { recursive: true, force: true });
  }
}
