// What users would get: `npm pack`, unpacked into a folder of its own. dist/ is self-contained, so nothing is installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BenchFailure } from './measure.ts';

const root = join(import.meta.dirname, '..');

/** Packs the checkout as it is built now. Gives the folder of the unpacked package. */
export function installPackage(scratch: string): string {
  if (!existsSync(join(root, 'dist/sbx.cjs'))) throw new BenchFailure('dist/ is not built; run: npm run build');
  const packed = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], {
    cwd: root,
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new BenchFailure(`npm pack: ${packed.stderr}`);
  const [archive] = JSON.parse(packed.stdout) as readonly { readonly filename: string }[];
  if (archive === undefined) throw new BenchFailure('npm pack made nothing');
  const unpacked = spawnSync('tar', ['-xzf', join(scratch, archive.filename), '-C', scratch], { encoding: 'utf8' });
  if (unpacked.status !== 0) throw new BenchFailure(`tar: ${unpacked.stderr}`);
  return join(scratch, 'package');
}
