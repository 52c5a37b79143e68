// Makes dist/: the launcher, the program as one CommonJS file with its V8 code cache, Ink as a chunk of its own that is
// loaded when drawn, and small programs that run beside sbx.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { thirdParty } from './lib/third-party.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const at = (...parts) => join(root, ...parts);
const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));

/** esbuild, and a note of what it took into the output. */
async function build(options) {
  const result = await esbuild(options);
  for (const { inputs } of Object.values(result.metafile.outputs))
    for (const path of Object.keys(inputs)) if (path.includes('node_modules/')) bundled.add(path);
  return result;
}

/** Small programs of their own, bundled where they exist. */
const companions = [{ from: 'src/guest/connect-probe.ts', to: 'connect-probe.cjs' }];
/** Files of bytes: the function of a module that gives them. */
const images = [{ from: 'src/host/kvm-firmware.ts', name: 'kvmFirmware', to: 'kvm-firmware.bin' }];
/** Files that are shipped as they are. */
const copies = [{ from: 'src/host/holder.sh', to: 'holder.sh' }];

/** Libraries in files of their own: large, and needed by few commands or files only. */
const chunks = ['undici', 're2js'];
/** Modules of Node that cost a start more than they give it; they are loaded at the first use of one of their members. */
const lateBuiltins = [
  'child_process',
  'crypto',
  'dgram',
  'http',
  'https',
  'net',
  'readline',
  'readline/promises',
  'stream',
  'stream/promises',
  'tty',
  'zlib',
];

/** Files of libraries that esbuild put into the bundles, as paths below the root. */
const bundled = new Set();

const common = {
  absWorkingDir: root,
  bundle: true,
  metafile: true,
  platform: 'node',
  target: 'node20',
  define: { 'process.env.NODE_ENV': '"production"', SBX_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
  legalComments: 'none',
};

// Built beside dist/ and moved there file by file, so that an sbx that starts meanwhile finds everything.
const fresh = join(root, `.dist-${process.pid}`);
try {
  mkdirSync(fresh, { recursive: true });
  generateValidators();
  await Promise.all([
    buildMain(),
    buildInk(),
    ...chunks.map(buildChunk),
    ...companions.map(buildCompanion),
    ...images.map(buildImage),
  ]);
  finishMain();
  await buildLauncher();
  writeFileSync(join(fresh, 'THIRD-PARTY.txt'), thirdParty([...bundled], root));
  for (const { from, to } of copies) if (existsSync(at(from))) copyFileSync(at(from), join(fresh, to));
  makeCache();
  publish();
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

/**
 * Hands imports of other files of dist/ to the launcher, and puts a digest into the first line of main.cjs: its cache
 * begins with the same, or it is of another build.
 */
function finishMain() {
  const path = join(fresh, 'main.cjs');
  const source = readFileSync(path, 'utf8').replaceAll(/\bimport\("(\.\/[a-z]+\.mjs)"\)/g, '__import("$1")');
  if (/[^_.\w]import\("/.test(source)) throw new Error('main.cjs imports something by itself, which it cannot');
  const id = createHash('sha256').update(source).digest('hex').slice(0, 16);
  writeFileSync(path, `// ${id}\n${source}`);
}

function publish() {
  mkdirSync(dist, { recursive: true });
  const names = readdirSync(fresh);
  for (const name of names) renameSync(join(fresh, name), join(dist, name));
  for (const name of readdirSync(dist)) if (!names.includes(name)) rmSync(join(dist, name), { recursive: true });
}

function generateValidators() {
  const script = at('scripts/generate-validators.mjs');
  if (!existsSync(script)) throw new Error(`${script} is missing: the schema validators cannot be generated`);
  runNode([script]);
}

function buildMain() {
  return build({
    ...common,
    entryPoints: ['src/main.ts'],
    outfile: join(fresh, 'main.cjs'),
    format: 'cjs',
    plugins: [inkElsewhere(), chunksElsewhere(), lateNode()],
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
    outfile: join(fresh, 'ink.mjs'),
    format: 'esm',
    jsx: 'automatic',
    plugins: [noDevtools()],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
}

function buildChunk(name) {
  const contents = `module.exports = require('${name}');`;
  return build({
    ...common,
    stdin: { contents, resolveDir: root },
    outfile: join(fresh, `${name}.cjs`),
    format: 'cjs',
  });
}

function buildCompanion({ from, to }) {
  if (!existsSync(at(from))) return undefined;
  return build({ ...common, entryPoints: [from], outfile: join(fresh, to), format: 'cjs' });
}

async function buildImage({ from, name, to }) {
  const { outputFiles } = await build({ ...common, entryPoints: [from], format: 'esm', write: false });
  const module = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  writeFileSync(join(fresh, to), module[name]());
}

async function buildLauncher() {
  const outfile = join(fresh, 'sbx.cjs');
  await build({
    ...common,
    entryPoints: ['src/launcher.ts'],
    outfile,
    format: 'cjs',
    // Old Nodes must be able to read it, or they could not be refused by name.
    target: 'node10',
    supported: { 'node-colon-prefix-require': false, 'node-colon-prefix-import': false, 'dynamic-import': true },
    banner: { js: '#!/usr/bin/env node' },
  });
  chmodSync(outfile, 0o755);
}

/** Runs the program once in a process of its own, so that functions it needs early are compiled into the cache. */
function makeCache() {
  runNode([at('scripts/make-cache.mjs'), join(fresh, 'main.cjs'), join(fresh, 'main.cache')]);
}

function runNode(args) {
  const { NODE_OPTIONS: _ours, ...env } = process.env;
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root, env });
  if (status !== 0) throw new Error(`${args[0]} failed`);
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

function chunksElsewhere() {
  return {
    name: 'chunks-elsewhere',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: new RegExp(`^(${chunks.join('|')})$`) }, ({ path }) => ({ path, namespace: 'chunk' }));
      onLoad({ filter: /.*/, namespace: 'chunk' }, ({ path }) => ({
        contents: `module.exports = require('./${path}.cjs');`,
      }));
      onResolve({ filter: /^\.\//, namespace: 'chunk' }, ({ path }) => ({ path, external: true }));
    },
  };
}

/** Puts an object in the place of a module of Node whose members load the module when they are first asked for. */
function lateNode() {
  return {
    name: 'late-node',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: new RegExp(`^(node:)?(${lateBuiltins.join('|')})$`) }, ({ path, namespace }) =>
        namespace === 'late' ? { path, external: true } : { path: path.replace(/^node:/, ''), namespace: 'late' },
      );
      onLoad({ filter: /.*/, namespace: 'late' }, async ({ path }) => {
        const names = Object.keys(createRequire(import.meta.url)(`node:${path}`));
        const members = names.map((name) => `get ${name}() { return it().${name}; }`);
        return {
          contents: `let loaded;\nconst it = () => (loaded ??= require('node:${path}'));\nmodule.exports = {\n${members.join(',\n')}\n};`,
        };
      });
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
