// Compiles all tests once into .tap/compiled: a loader that compiles in each test process costs more than most tests. Modules
// keep the places of their sources (`import.meta`), so that what a test finds beside itself is found as before.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const outdir = join(root, '.tap/compiled');

const tests = readdirSync(join(root, 'test'), { recursive: true })
  .filter((name) => /\.test\.tsx?$/.test(name))
  .map((name) => join('test', name));

rmSync(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: tests,
  outbase: root,
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  jsx: 'automatic',
  sourcemap: true,
  logLevel: 'warning',
  define: { 'import.meta.url': '__place', 'import.meta.dirname': '__folder' },
  plugins: [keepPlaces()],
});

/** Gives each module the constants that stand for its own `import.meta.url` and `import.meta.dirname`. */
function keepPlaces() {
  return {
    name: 'keep-places',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.tsx?$/ }, ({ path }) => ({
        contents: `${placesOf(path)} ${readFileSync(path, 'utf8')}`,
        loader: path.endsWith('x') ? 'tsx' : 'ts',
      }));
    },
  };
}

/** On one line with the first of the module, so that its lines keep their numbers. */
function placesOf(path) {
  return `const __place = ${JSON.stringify(pathToFileURL(path).href)}, __folder = ${JSON.stringify(dirname(path))};`;
}
