// Comparison with files under test/golden. UPDATE_GOLDEN=1 writes them anew; the diff is then reviewed like code.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'golden');

/** Compares text with a golden file, whole. */
export function matchesGolden(t: Pick<Test, 'equal'>, name: string, text: string): void {
  const path = join(folder, name);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  t.equal(text, readFileSync(path, 'utf8'), `${name} is as it was reviewed`);
}
