// make-cache.mjs MAIN CACHE: compiles MAIN as the launcher does, runs harmless commands so that V8 compiles what a
// start needs, and writes the first line of MAIN and V8's code cache to CACHE.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Script } from 'node:vm';

const [mainPath, cachePath] = process.argv.slice(2);
const source = readFileSync(mainPath, 'latin1');
const id = source.slice(0, source.indexOf('\n'));
const script = new Script(`(function (exports, require, module, __filename, __dirname, __import) {${source}\n})`, {
  filename: mainPath,
});
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(mainPath), module, mainPath, dirname(mainPath));

const home = mkdtempSync(join(tmpdir(), 'sbx-cache-'));
const example = 'examples/hello/sbx.yaml';
await run(['--help']);
if (existsSync(example)) {
  await run(['validate', '-f', example]);
  // Reads the host and writes nothing; where it cannot plan, it says so to nobody.
  await run(['plan', '-f', example]);
}
rmSync(home, { recursive: true, force: true });
writeFileSync(cachePath, Buffer.concat([Buffer.from(id, 'latin1'), script.createCachedData()]));

function run(argv) {
  const sink = () => new PassThrough().resume();
  const io = { stdin: new PassThrough().end(), stdout: sink(), stderr: sink() };
  const ended = module.exports.runProgram({
    argv,
    env: { PATH: process.env.PATH, SBX_HOME: home },
    cwd: process.cwd(),
    io,
    onSignal: () => () => {},
    stopAtOnce: () => {},
  });
  return ended.catch((error) => process.stderr.write(`make-cache: ${argv.join(' ')}: ${error.message}\n`));
}
