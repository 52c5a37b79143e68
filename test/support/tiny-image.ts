// The tiny image for tests that boot guests: built once per host user and kept, or found where SBX_TEST_CACHE says.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type BuiltImage, ensureImage } from '../../src/images/cache.ts';

const needed = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb', '/usr/bin/qemu-system-x86_64'];

/** Why no guest can be booted here, for a skip; false when one can. */
export function cannotBoot(): string | false {
  const missing = needed.filter((path) => !existsSync(path));
  return missing.length > 0 && `not on this host: ${missing.join(', ')}`;
}

/** Cache that outlives test runs, since a build costs 40 MB of downloads. */
export function testCache(): string {
  return process.env['SBX_TEST_CACHE'] ?? join(tmpdir(), `sbx-test-cache-${process.getuid?.() ?? 0}`);
}

/** The image, built when the cache lacks it. */
export function tinyImage(): Promise<BuiltImage> {
  return ensureImage({ type: 'build', recipe: 'tiny' }, { cacheDir: testCache(), recipesDir: resolve('images') });
}
