// Images on the host: built into the cache, or files of the user's that are there.

import type { DesiredImage } from '../../core/desired.ts';
import { describeError, isSbxError } from '../../core/errors.ts';
import type { ImageObservation } from '../../core/observed.ts';
import type { Performers } from '../../engine/provider.ts';
import { ensureImage } from '../../images/cache.ts';
import { imageDigest } from '../../images/digest.ts';
import type { Shell } from '../shell.ts';

export function imagePerformers(shell: Shell): Pick<Performers, 'image.ensure' | 'image.release'> {
  return {
    'image.ensure': async ({ source }, context) => {
      const image = await ensureImage(source, {
        ...shell.images,
        onProgress: context.progress,
        signal: context.signal,
      });
      return image.cacheKey === undefined ? {} : { cacheKey: image.cacheKey };
    },
    'image.release': async () => undefined,
  };
}

/** Digest of an image's inputs, and whether the cache has it. */
export async function observeImage(image: DesiredImage, shell: Pick<Shell, 'images'>): Promise<ImageObservation> {
  try {
    const { digest, cached, diskBytes } = await imageDigest(image.source, shell.images);
    return { digest, cached, ...(diskBytes === undefined ? {} : { diskBytes }) };
  } catch (error) {
    if (!isSbxError(error)) throw error;
    return { digest: '', cached: false, problem: describeError(error) };
  }
}
