// Makes dist/: the launcher, the program as one CommonJS file with its V8 code cache, Ink as a chunk of its own that is
// loaded when drawn, and small programs that run beside sbx.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const at = (...parts) => join(root, ...parts);
const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));

/** Small programs of their own, bundled where they exist. */
const companions = [{ from: 'src/guest/connect-probe.ts', to: 'connect-probe.cjs' }];
/** Files that are shipped as they are. */
const copies = [{ from: 'src/host/holder.sh', to: 'holder.sh' }];

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  define: { 'process.env.NODE_ENV': '"production"', SBX_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
  legalComments: 'none',
};

generateValidators();
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await Promise.all([buildMain(), buildInk(), ...companions.map(buildCompanion)]);
const buildId = createHash('sha256')
  .update(readFileSync(join(dist, 'main.cjs')))
  .digest('hex')
  .slice(0, 16);
await buildLauncher(buildId);
for (const { from, to } of copies) if (existsSync(at(from))) copyFileSync(at(from), join(dist, to));
makeCache(buildId);

function generateValidators() {
  const script = at('scripts/generate-validators.mjs');
  if (!existsSync(script)) throw new Error(`${script} is missing: the schema validators cannot be generated`);
  runNode([script]);
}

function buildMain() {
  return build({
    ...common,
    entryPoints: ['src/main.ts'],
    outfile: join(dist, 'main.cjs'),
    format: 'cjs',
    plugins: [inkElsewhere()],
    // import.meta is empty in CommonJS: whoever asks where it lies gets the bundle.
    banner: { js: "const __bundle_url = require('node:url').pathToFileURL(__filename).href;" },
    define: { ...common.define, 'import.meta.url': '__bundle_url' },
  });
}

/** Ink and its layout engine use top-level await, which CommonJS cannot have. */
function buildInk() {
  if (!existsSync(at('src/ui/ink/ink-view.tsx'))) return undefined;
  return build({
    ...common,
    entryPoints: ['src/ui/ink/ink-view.tsx'],
    outfile: join(dist, 'ink.mjs'),
    format: 'esm',
    jsx: 'automatic',
    plugins: [noDevtools()],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
}

function buildCompanion({ from, to }) {
  if (!existsSync(at(from))) return undefined;
  return build({ ...common, entryPoints: [from], outfile: join(dist, to), format: 'cjs' });
}

async function buildLauncher(id) {
  const outfile = join(dist, 'sbx.cjs');
  await build({
    ...common,
    entryPoints: ['src/launcher.ts'],
    outfile,
    format: 'cjs',
    // Old Nodes must be able to read it, or they could not be refused by name.
    target: 'node10',
    supported: { 'node-colon-prefix-require': false, 'node-colon-prefix-import': false },
    banner: { js: '#!/usr/bin/env node' },
    define: { ...common.define, SBX_BUILD_ID: JSON.stringify(id) },
  });
  chmodSync(outfile, 0o755);
}

/** Runs the program once in a process of its own, so that functions it needs early are compiled into the cache. */
function makeCache(id) {
  runNode([at('scripts/make-cache.mjs'), join(dist, 'main.cjs'), join(dist, 'main.cache'), id]);
}

function runNode(args) {
  const { NODE_OPTIONS: _ours, ...env } = process.env;
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root, env });
  if (status !== 0) process.exit(status ?? 1);
}

function inkElsewhere() {
  return {
    name: 'ink-elsewhere',
    setup: ({ onResolve }) => {
      onResolve({ filter: /\/ink-view\.tsx$/ }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: './ink.mjs', external: true } : undefined,
      );
    },
  };
}

function noDevtools() {
  return {
    name: 'no-devtools',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'empty' }));
      onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default {};', loader: 'js' }));
    },
  };
}
