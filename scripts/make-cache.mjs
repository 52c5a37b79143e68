// make-cache.mjs MAIN CACHE ID: compiles MAIN as the launcher does, runs harmless commands so that V8 compiles what a
// start needs, and writes ID + V8's code cache to CACHE.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { constants, Script } from 'node:vm';

const [mainPath, cachePath, id] = process.argv.slice(2);
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(mainPath, 'latin1')}\n})`,
  { filename: mainPath, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
);
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(mainPath), module, mainPath, dirname(mainPath));

const example = 'examples/hello/sbx.yaml';
await run(['--help']);
if (existsSync(example)) {
  await run(['validate', '-f', example]);
  // Reads the host and writes nothing; where it cannot plan, it says so to nobody.
  await run(['plan', '-f', example]);
}
writeFileSync(cachePath, Buffer.concat([Buffer.from(id, 'latin1'), script.createCachedData()]));

function run(argv) {
  const sink = () => new PassThrough().resume();
  const io = { stdin: new PassThrough().end(), stdout: sink(), stderr: sink() };
  const ended = module.exports.runProgram({
    argv,
    env: { PATH: process.env.PATH },
    cwd: process.cwd(),
    io,
    onSignal: () => () => {},
    stopAtOnce: () => {},
  });
  return ended.catch((error) => process.stderr.write(`make-cache: ${argv.join(' ')}: ${error.message}\n`));
}
