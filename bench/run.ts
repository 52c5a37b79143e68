// npm run bench: measures the package that `npm pack` makes, each figure beside a floor or a peer of the same run.
// Prints a table, writes bench/results/<date>.json. A figure that misses its target fails nothing: tests assert, this shows.
//   npm run bench -- [--only STAGE[,STAGE]] [--sizes N[,N]]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackage } from './install.ts';
import { formatTable, type Missing, outcomeOf, type Row, ratioOf } from './report.ts';
import { runOnRoomyHost } from './roomy-host.ts';
import type { Stage, StageContext } from './stage.ts';
import { apply } from './stages/apply.ts';
import { hello } from './stages/hello.ts';
import { plan } from './stages/plan.ts';
import { sockets } from './stages/sockets.ts';
import { startUp } from './stages/start-up.ts';

const stages: Readonly<Record<string, Stage>> = {
  'start-up': startUp,
  plan,
  sockets,
  apply,
  hello,
};

const { values } = parseArgs({
  options: { only: { type: 'string' }, sizes: { type: 'string' }, help: { type: 'boolean' } },
});
const wanted = values.only?.split(',') ?? Object.keys(stages);
const unknown = wanted.filter((name) => !(name in stages));
const sizes = values.sizes?.split(',').map(Number);

if (values.help || unknown.length > 0 || sizes?.some((size) => !Number.isInteger(size) || size < 1)) {
  console.error(`usage: npm run bench -- [--only STAGE,...] [--sizes N,...]\nstages: ${Object.keys(stages).join(' ')}`);
  process.exitCode = values.help ? 0 : 64;
} else {
  const code = runOnRoomyHost();
  if (code === undefined) await runStages();
  else process.exitCode = code;
}

async function runStages(): Promise<void> {
  const started = new Date();
  const scratch = mkdtempSync(join(tmpdir(), 'sbxb-'));
  const rows: Row[] = [];
  const missing: Missing[] = [];
  try {
    const context: StageContext = {
      package: installPackage(scratch),
      scratch,
      say: (text) => console.error(`-- ${text}`),
      ...(sizes === undefined ? {} : { sizes }),
    };
    for (const name of wanted) {
      context.say(name);
      const result = await runStage(name, context);
      rows.push(...result.rows);
      missing.push(...result.missing);
      if (result.missing.length > 0) process.exitCode = 1;
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(formatTable(rows));
  for (const { stage, name, reason } of missing) console.log(`not measured: ${stage}: ${name}: ${reason}`);
  console.log(`written to ${writeResults(started, rows, missing)}`);
}

async function runStage(name: string, context: StageContext): ReturnType<Stage> {
  try {
    return (await stages[name]?.(context)) ?? { rows: [], missing: [] };
  } catch (error) {
    return {
      rows: [],
      missing: [{ stage: name, name: 'all', reason: error instanceof Error ? error.message : String(error) }],
    };
  }
}

function writeResults(started: Date, rows: readonly Row[], missing: readonly Missing[]): string {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${started.toISOString().slice(0, 19).replaceAll(':', '')}.json`);
  const machine = {
    node: process.version,
    kernel: release(),
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryMib: Math.round(totalmem() / 2 ** 20),
  };
  const figures = rows.map((row) => ({ ...row, ratio: ratioOf(row), outcome: outcomeOf(row) }));
  writeFileSync(path, `${JSON.stringify({ format_version: 1, started, machine, rows: figures, missing }, null, 2)}\n`);
  return path;
}
