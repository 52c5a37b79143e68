// Images on the host: built into the cache, or files of the user's that are there.

import type { DesiredImage } from '../../core/desired.ts';
import { describeError, isSbxError } from '../../core/errors.ts';
import type { ImageObservation } from '../../core/observed.ts';
import type { Performers } from '../../engine/provider.ts';
import { ensureImage } from '../../images/cache.ts';
import { imageDigest } from '../../images/digest.ts';
import type { ReadOptions } from '../../images/hash-file.ts';
import type { KnownDigests } from '../../images/user-files.ts';
import type { Shell } from '../shell.ts';

export function imagePerformers(shell: Shell): Pick<Performers, 'image.ensure' | 'image.release'> {
  return {
    'image.ensure': async ({ source, digest }, context) => {
      const { progress, signal } = context;
      const { cacheKey } = await ensureImage(source, { ...shell.images, digest, onProgress: progress, signal });
      return { cacheKey };
    },
    'image.release': async () => undefined,
  };
}

/** Digests of the user's own files from before; told when there is something new to keep. */
export interface DigestMemory {
  digests?: KnownDigests;
  changed: boolean;
}

/** Digest of an image's inputs, and whether the cache has it. */
export async function observeImage(
  image: DesiredImage,
  shell: Pick<Shell, 'images'>,
  memory: DigestMemory,
  options: ReadOptions = {},
): Promise<ImageObservation> {
  const onProgress = (text: string): void => options.onProgress?.(`${image.address}: ${text}`);
  try {
    const before = memory.digests ?? {};
    const found = await imageDigest(image.source, { ...shell.images, ...options, known: before, onProgress });
    const { known, ...observation } = found;
    if (known !== before) {
      memory.digests = { ...memory.digests, ...known };
      memory.changed = true;
    }
    return observation;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isSbxError(error)) throw error;
    return { digest: '', cached: false, problem: describeError(error) };
  }
}
