// dist/sbx.cjs: answers --version by itself, refuses a Node that is too old by name, else starts main.cjs through its
// code cache. Compiled for very old Nodes, so that these get to the sentence instead of a syntax error.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';

declare const SBX_VERSION: string;

type Main = (process: NodeJS.Process) => Promise<void>;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `sbx needs Node 20.19 or newer; this is Node ${process.versions.node} (${process.execPath}). Install a newer one, or put it first on PATH.\n`,
  );
  process.exitCode = 1;
} else if (process.argv.length === 3 && (process.argv[2] === '--version' || process.argv[2] === '-V')) {
  process.stdout.on('error', unwritten);
  process.stdout.write(`${SBX_VERSION}\n`);
} else {
  void load()(process);
}

/** A reader that has gone is told nothing; whoever writes to a full disk is. */
function unwritten(error: NodeJS.ErrnoException): void {
  process.exitCode = 1;
  if (error.code !== 'EPIPE') process.stderr.write(`sbx: standard output cannot be written: ${error.message}\n`);
}

function load(): Main {
  const path = join(__dirname, 'main.cjs');
  const source = readFileSync(path, 'latin1');
  const cachedData = readCache(source.slice(0, source.indexOf('\n')));
  const script = new Script(`(function (exports, require, module, __filename, __dirname, __import) {${source}\n})`, {
    filename: path,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const module: { exports: { main?: Main } } = { exports: {} };
  // A script that comes out of a code cache cannot import by itself: V8 forgets whom it belongs to.
  const importBeside = (name: string): Promise<unknown> => import(join(__dirname, name));
  script.runInThisContext()(module.exports, createRequire(path), module, path, __dirname, importBeside);
  return module.exports.main as Main;
}

/** The cache of exactly this build, which begins with the same line. V8 itself turns down that of another Node. */
function readCache(id: string): Buffer | undefined {
  try {
    const bytes = readFileSync(join(__dirname, 'main.cache'));
    return bytes.toString('latin1', 0, id.length) === id ? bytes.subarray(id.length) : undefined;
  } catch {
    // Without a cache sbx starts some hundredths of a second later.
    return undefined;
  }
}
