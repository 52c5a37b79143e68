// One home in which the real sbx is killed on its way, again and again; the next plan lists what is left, the next apply ends
// where an undisturbed one does, and destroy leaves nothing.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import type { Planned } from '../../src/cli/services.ts';
import { isEmptyPlan } from '../../src/core/plan/plan.ts';
import { type ChainHost, type ChainLink, destroyAll, leftoversOf, linkTo, must } from './chain.ts';
import { type Edit, edit, edited, type FileModel, fileModel } from './generated-files.ts';
import { program } from './plan-host.ts';
import { Tally } from './tally.ts';

const killer = fileURLToPath(new URL('kill-at.mjs', import.meta.url));

interface Kill {
  readonly where: 'before-write' | 'after-write' | 'after-sync';
  /** Which write of the journal, as a share of all that there can be */
  readonly share: number;
  readonly ms: number;
  readonly parallelism: number;
}

/** A change of the file that is killed on its way, once or again and again. */
interface Round {
  readonly edits: readonly Edit[];
  readonly kills: readonly Kill[];
}

/** One home: the first apply is killed, then each change of the file, then the destroy. */
interface Trial {
  readonly first: FileModel;
  readonly firstKill: Kill;
  readonly rounds: readonly Round[];
  readonly lastKill: Kill;
  /** Whether what the last kill left is destroyed again, or brought back and then destroyed */
  readonly way: 'apply' | 'destroy';
}

const kill: fc.Arbitrary<Kill> = fc.record({
  where: fc.constantFrom('before-write', 'after-write', 'after-sync'),
  share: fc.noBias(fc.integer({ min: 0, max: 999 })).map((thousandth) => thousandth / 1000),
  ms: fc.constantFrom(0, 0, 2, 10, 30),
  parallelism: fc.constantFrom(1, 1, 8),
});
const round: fc.Arbitrary<Round> = fc.record({
  edits: fc.array(edit, { minLength: 2, maxLength: 6, size: 'max' }),
  kills: fc.oneof(
    { weight: 4, arbitrary: fc.tuple(kill) },
    { weight: 1, arbitrary: fc.array(kill, { minLength: 2, maxLength: 3 }) },
  ),
});

/** Trials with so many changes of the file; each is killed at least once. */
export function killTrials({ rounds }: { readonly rounds: number }): fc.Arbitrary<Trial> {
  return fc.record({
    first: fileModel,
    firstKill: kill,
    rounds: fc.array(round, { minLength: rounds, maxLength: rounds }),
    lastKill: kill,
    way: fc.constantFrom('apply', 'destroy'),
  });
}

/** Counts of what happened over all trials. */
export type KillCounts = Map<string, number>;

/** Runs a trial to its end and discards the host; throws what went wrong. */
export async function runTrial(host: ChainHost, given: Trial, seen: KillCounts): Promise<void> {
  try {
    let link = linkTo(given.first, undefined, host);
    host.write(link.text);
    await killed(host, 'apply', link, given.firstKill, seen);
    await finish(host, link, seen);
    for (const { edits, kills } of given.rounds) {
      link = linkTo(edits.reduce<FileModel>(edited, link.file), link, host);
      host.write(link.text);
      for (const one of kills) await killed(host, 'apply', link, one, seen);
      await finish(host, link, seen);
    }
    await killed(host, 'destroy', link, given.lastKill, seen);
    if (given.way === 'apply') {
      await converge(host, link);
      await destroyAll(host, new Tally());
    } else await destroyAgain(host);
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
  seen: KillCounts,
): Promise<void> {
  const { plan } = must(await host.plan({ mode, token: file.token, purge: true }), 'the plan before a kill');
  const at = 1 + Math.floor(share * (2 * plan.steps.length + 2));
  const words = [mode, '--auto-approve', '--parallelism', String(parallelism), '--home', host.home];
  const more = ['--vmm', host.vmm, '--var', `token=${file.token}`, ...(mode === 'destroy' ? ['--purge'] : [])];
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

/** The next apply comes to its end, and the plan after it is empty. */
async function converge(host: ChainHost, { file, text }: ChainLink): Promise<Planned> {
  const request = { token: file.token };
  const story = (): string => `\nafter: ${text}`;
  const planned = must(await host.plan(request), 'the plan after the kill', story);
  const result = must(await host.apply(planned), 'the apply after the kill', story);
  if (result.status !== 'complete') throw new TypeError(`the apply after it ended ${JSON.stringify(result)}${story()}`);
  const again = must(await host.plan(request), 'the plan after both', story).plan;
  if (!isEmptyPlan(again) || again.drift.length > 0)
    throw new TypeError(`the plan after both is not empty: ${JSON.stringify([again.changes, again.drift])}${story()}`);
  return planned;
}

/** The same, and the host shows what it would without a kill. */
async function finish(host: ChainHost, link: ChainLink, seen: KillCounts): Promise<void> {
  const { plan } = await converge(host, link);
  if (isEmptyPlan(plan)) count(seen, 'nothing was left to do');
  const differences = await host.world.differences(link.expected);
  if (differences.length === 0) return;
  const what = isEmptyPlan(plan) ? 'the plan after the kill was empty, but the host' : 'the host';
  throw new TypeError(`${what} shows something else: ${differences.join('; ')}\nafter: ${link.text}`);
}

/** Destroys what is left, also when that is nothing any more. */
async function destroyAgain(host: ChainHost): Promise<void> {
  const planned = must(await host.plan({ mode: 'destroy', token: 'any', purge: true }), 'the plan to destroy');
  const result = must(await host.apply(planned), 'the destroy');
  if (result.status !== 'complete') throw new TypeError(`the destroy after the kill ended ${JSON.stringify(result)}`);
  const left = leftoversOf(host);
  if (left.length > 0) throw new TypeError(`destroy left ${left.join(', ')}`);
}

function count(map: KillCounts, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
