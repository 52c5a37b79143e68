// Kill anywhere: the real sbx is killed at a record of its journal, before and after the write, after the sync, or a moment
// later. The next plan lists what is left, the next apply ends where an undisturbed one does, and destroy leaves nothing.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { isEmptyPlan } from '../../src/core/plan/plan.ts';
import { startHub } from '../fakes/cloud-hypervisor/install.ts';
import {
  applyOver,
  type ChainHost,
  type ChainLink,
  destroyAll,
  leftoversOf,
  linkTo,
  makeChainHost,
  must,
} from '../support/chain.ts';
import { program } from '../support/fake-host.ts';
import { type Edit, edit, edited, type FileModel, fileModel } from '../support/generated-files.ts';
import { cannotOpenSpaces, propertyOptions, soak } from '../support/property.ts';
import { Tally } from '../support/tally.ts';

t.setTimeout(soak ? 24 * 3600_000 : 15 * 60_000);
const skip = existsSync(program) ? cannotOpenSpaces() : 'needs the built sbx (npm run build)';
const killer = fileURLToPath(new URL('../support/kill-at.mjs', import.meta.url));

interface Kill {
  readonly where: 'before-write' | 'after-write' | 'after-sync';
  /** Which write of the journal, as a share of all that there can be */
  readonly share: number;
  readonly ms: number;
  readonly parallelism: number;
}

interface Trial {
  readonly first: FileModel;
  readonly edits: readonly Edit[];
  /** What is killed: the very first apply, one over another file, or a destroy */
  readonly what: 'create' | 'update' | 'destroy';
  readonly kills: readonly Kill[];
  /** Whether the way back is another apply, or a destroy at once */
  readonly way: 'apply' | 'destroy';
}

const kill: fc.Arbitrary<Kill> = fc.record({
  where: fc.constantFrom('before-write', 'after-write', 'after-sync'),
  share: fc.double({ min: 0, max: 0.999, noNaN: true }),
  ms: fc.constantFrom(0, 0, 2, 10, 30),
  parallelism: fc.constantFrom(1, 1, 8),
});
const trial: fc.Arbitrary<Trial> = fc.record({
  first: fileModel,
  edits: fc.array(edit, { minLength: 2, maxLength: 6 }),
  what: fc.constantFrom('create', 'update', 'update', 'update', 'destroy'),
  kills: fc.array(kill, { minLength: 1, maxLength: 2 }),
  way: fc.constantFrom('apply', 'apply', 'apply', 'destroy'),
});

t.test('an apply that is killed anywhere is finished by the next one', { skip }, async (t) => {
  const options = propertyOptions({ few: 60, many: 1000 });
  t.comment(`seed ${options.seed}, ${options.numRuns} trials`);
  const seen = new Map<string, number>();
  const hub = await startHub(`/tmp/sbxkill-${process.pid}.sock`);
  try {
    await t.resolves(
      fc.assert(
        fc.asyncProperty(trial, async (given) => await runTrial(await makeChainHost(hub), given, seen)),
        options,
      ),
    );
  } finally {
    await hub.stop();
  }
  for (const [what, times] of [...seen].sort()) t.comment(`${what}: ${times}`);
  const killed = (seen.get('killed') ?? 0) / Math.max(1, seen.get('tries') ?? 0);
  t.ok(killed > 0.5, `${Math.round(killed * 100)}% of the tries were killed`);
});

async function runTrial(host: ChainHost, given: Trial, seen: Map<string, number>): Promise<void> {
  try {
    const before = given.what === 'create' ? undefined : await applyOver(host, given.first, undefined, new Tally());
    const next = given.what === 'create' ? given.first : given.edits.reduce(edited, given.first);
    const link = linkTo(next, before);
    const mode = given.what === 'destroy' ? 'destroy' : 'apply';
    host.write(link.text);
    for (const one of given.kills) await killed(host, mode, link, one, seen);
    if (mode === 'destroy' || given.way === 'destroy') await destroyAgain(host);
    else await finish(host, link, seen);
  } finally {
    host.discard();
  }
}

/** Runs the built sbx until it is killed, or to its end when the record never came. */
async function killed(
  host: ChainHost,
  mode: 'apply' | 'destroy',
  { file }: ChainLink,
  { where, share, ms, parallelism }: Kill,
  seen: Map<string, number>,
): Promise<void> {
  const { plan } = must(await host.plan({ mode, token: file.token, purge: true }), 'the plan before a kill');
  const at = 1 + Math.floor(share * (2 * plan.steps.length + 2));
  const words = [mode, '--auto-approve', '--parallelism', String(parallelism), '--home', host.home];
  const more = [
    '--vmm',
    'cloud-hypervisor',
    '--var',
    `token=${file.token}`,
    ...(mode === 'destroy' ? ['--purge'] : []),
  ];
  const child = spawn(process.execPath, ['--import', killer, program, ...words, ...more], {
    cwd: host.folder,
    env: { ...host.env, KILL_AT: `${where}:${at}:${ms}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const how = await new Promise<string>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  if (how !== 'SIGKILL' && how !== '0') throw new TypeError(`sbx ${mode} ended with ${how}: ${said}`);
  count(seen, 'tries');
  if (how !== 'SIGKILL') return;
  count(seen, 'killed');
  count(seen, `killed ${where}${ms === 0 ? '' : ' and a moment'}`);
  for (const op of cutShort(host.home)) count(seen, `cut short: ${op}`);
}

/** Steps that a journal has begun and not ended. */
function cutShort(home: string): readonly string[] {
  const path = join(home, 'state/gen.journal');
  if (!existsSync(path)) return [];
  const open = new Map<string, string>();
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const record = JSON.parse(line) as { type: string; step: string; op: string };
    if (record.type === 'begin') open.set(record.step, record.op);
    if (record.type === 'done') open.delete(record.step);
  }
  return [...open.values()];
}

async function finish(host: ChainHost, link: ChainLink, seen: Map<string, number>): Promise<void> {
  const request = { token: link.file.token };
  const story = (): string => `\nafter: ${link.text}`;
  const planned = must(await host.plan(request), 'the plan after the kill', story);
  if (isEmptyPlan(planned.plan)) {
    count(seen, 'nothing was left to do');
    // The journal of an apply that was killed at its very end is folded into the state by the next one.
    const left = (await host.world.differences(link.expected)).filter((line) => !line.startsWith('journal'));
    if (left.length > 0) throw new TypeError(`the plan is empty, but ${left.join('; ')}${story()}`);
  }
  const result = must(await host.apply(planned), 'the apply after the kill', story);
  if (result.status !== 'complete') throw new TypeError(`the apply after it ended ${JSON.stringify(result)}${story()}`);
  const again = must(await host.plan(request), 'the plan after both', story).plan;
  if (!isEmptyPlan(again) || again.drift.length > 0)
    throw new TypeError(`the plan after both is not empty: ${JSON.stringify([again.changes, again.drift])}${story()}`);
  const differences = await host.world.differences(link.expected);
  if (differences.length > 0) throw new TypeError(`the host shows something else: ${differences.join('; ')}${story()}`);
  await destroyAll(host, new Tally());
}

/** Destroys what is left, also when that is nothing any more. */
async function destroyAgain(host: ChainHost): Promise<void> {
  const planned = must(await host.plan({ mode: 'destroy', token: 'any', purge: true }), 'the plan to destroy');
  const result = must(await host.apply(planned), 'the destroy');
  if (result.status !== 'complete') throw new TypeError(`the destroy after the kill ended ${JSON.stringify(result)}`);
  const left = leftoversOf(host);
  if (left.length > 0) throw new TypeError(`destroy left ${left.join(', ')}`);
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
