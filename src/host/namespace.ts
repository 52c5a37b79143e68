// The namespaces of a sandbox and the two small processes of holder.sh: a keeper inside, and a watcher that acts on the lease.
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SbxError } from '../core/errors.ts';
import type { ProcessRef, SandboxFacts } from '../core/state/facts.ts';
import { leasePath } from './lease.ts';
import { lastLineOf } from './log-end.ts';
import { unshareFlags } from './namespace-support.ts';
import { clearPlace } from './own-files.ts';
import {
  commandLineOf,
  endProcess,
  findProcesses,
  isRunning,
  isWorking,
  signalProcess,
  spawnDetached,
} from './processes.ts';
import { programPath } from './programs.ts';
import { rulesMarkPath } from './rules-mark.ts';
import { enterArgv, netnsOf, type SpaceRef, spaceOf, usesUserns } from './space-ref.ts';
import { stopUplink } from './uplink.ts';

const shell = '/bin/sh';
const readyWithinMs = 10_000;

export interface OpenSpaceOptions {
  /** Home of sbx; stands on the command lines of both processes, so that orphans are found without a state */
  readonly home: string;
  /** `shop` or `shop@pr-17`; stands there too */
  readonly instance: string;
  /** Absolute folder of the sandbox's sockets, exists, mode 0700. Holds `lease`, `keep`, `uplink.sock`, `rules.json` */
  readonly runDir: string;
  /** Where holder and destroy log, absolute. Its folder is that of all logs of the sandbox, which the watcher keeps within bounds */
  readonly logPath: string;
  /** Absolute path of holder.sh */
  readonly holderScript: string;
  /** Started when the lease has run out: `node sbx.cjs destroy --auto-approve --home H …` */
  readonly expireArgv: readonly string[];
  /** What the state remembers; what of it still lives is kept */
  readonly facts: SandboxFacts;
  /** VMMs inside: a namespace whose keeper died is entered through one of them */
  readonly through?: readonly ProcessRef[];
}

/** Makes namespaces and holder, or what of them is missing; gives the facts with holder, keeper, userns and netns filled in. Throws SBX6003. */
export async function openSpace(options: OpenSpaceOptions): Promise<SandboxFacts> {
  const { facts } = options;
  const userns = usesUserns(facts);
  const keeper = await ensureKeeper(options, userns);
  const holder = await ensureWatcher(options);
  const netns = netnsOf(keeper.pid);
  const { uplink, netns: before, ...others } = facts;
  const rest = { ...others, holder, keeper, userns, ...(netns === undefined ? {} : { netns }) };
  if (netns === before) return uplink === undefined ? rest : { ...rest, uplink };
  // A new namespace: what was attached to the old one serves nobody.
  await stopUplink(uplink, options.runDir);
  await clearPlace(rulesMarkPath(options.runDir));
  return rest;
}

/** Only the holder: for hosts without namespaces, where a lease must end all the same. Throws SBX6003. */
export async function openWatcher(options: OpenSpaceOptions): Promise<SandboxFacts> {
  return { holder: await ensureWatcher(options) };
}

/** Ends uplink, keeper and holder, in this order, also those that only /proc knows; removes their files in the run folder. */
export async function closeSpace(
  options: Pick<OpenSpaceOptions, 'home' | 'instance' | 'runDir' | 'facts'>,
): Promise<void> {
  const { facts, runDir } = options;
  await stopUplink(facts.uplink, runDir);
  for (const ref of [...listOf(facts.keeper), ...findOwn(options, 'keep'), ...findOwn(options, 'held')])
    await endProcess(ref);
  await clearPlace(join(runDir, 'keep'));
  await clearPlace(rulesMarkPath(runDir));
  // The watcher goes last, and the lease after it: a close that is cut short before is tried again by the watcher.
  for (const ref of [...listOf(facts.holder), ...findOwn(options, 'watch')]) await endProcess(ref);
  await clearPlace(leasePath(runDir));
}

async function ensureKeeper(options: OpenSpaceOptions, userns: boolean): Promise<ProcessRef> {
  const { facts, through } = options;
  if (facts.keeper !== undefined && isRunning(facts.keeper)) return woken(facts.keeper);
  // One that was started by a run that did not live to record it.
  const [known, ...spare] = findOwn(options, 'held');
  for (const ref of [...spare, ...findOwn(options, 'keep')]) await endProcess(ref);
  if (known !== undefined) return woken(known);
  const inside = spaceOf(facts, through);
  const unshare = programPath('unshare');
  const into = inside === undefined ? [unshare, ...unshareFlags(userns), '--'] : enterMounts(inside, unshare);
  return startHolder(options, 'held', [...into, ...roleArgv(options, 'keep')]);
}

/** A keeper that was stopped: it does its work by existing, and its namespaces end with it, so it is not replaced. */
function woken(keeper: ProcessRef): ProcessRef {
  if (!isWorking(keeper)) signalProcess(keeper, 'SIGCONT');
  return keeper;
}

function enterMounts(inside: SpaceRef, unshare: string): readonly string[] {
  return enterArgv(inside)([unshare, '-m', '--propagation', 'slave', '--']);
}

async function ensureWatcher(options: OpenSpaceOptions): Promise<ProcessRef> {
  const wanted = [...roleArgv(options, 'watch'), dirname(options.logPath), ...options.expireArgv];
  const found = [...listOf(options.facts.holder).filter(isRunning), ...findOwn(options, 'watch')];
  // One with another command is of an sbx that may no longer be installed where it was.
  const kept = found.find((ref) => isWorking(ref) && sameWords(commandLineOf(ref.pid), wanted));
  for (const ref of found) if (ref.pid !== kept?.pid) await endProcess(ref);
  return kept ?? startHolder(options, 'watch', wanted);
}

/** Starts one process of holder.sh; resolves when its command line says the role that it then has. */
async function startHolder(options: OpenSpaceOptions, role: Role, argv: readonly string[]): Promise<ProcessRef> {
  const { exited, ...ref } = await spawnDetached(argv, { logPath: options.logPath });
  const ended = exited.then((how) => how);
  const deadline = performance.now() + readyWithinMs;
  while (!isRole(commandLineOf(ref.pid), options, role)) {
    const how = await Promise.race([ended, delay(3, undefined)]);
    if (how === undefined && performance.now() < deadline) continue;
    await endProcess(ref);
    const what = how === undefined ? `was not ready after ${readyWithinMs} ms` : `ended with ${how}`;
    throw new SbxError('SBX6003', `the holder (${role}) ${what}: ${await lastLineOf(options.logPath)}`, {
      hint: 'sbx doctor says what this host lacks.',
    });
  }
  return ref;
}

type Role = 'keep' | 'held' | 'watch';
type Named = Pick<OpenSpaceOptions, 'home' | 'instance' | 'runDir'>;

function roleArgv(options: OpenSpaceOptions, role: Role): readonly string[] {
  return [shell, options.holderScript, role, options.home, options.instance, options.runDir];
}

/** Whether words are those of holder.sh in a role, whatever program brought them. */
function isRole(words: readonly string[], named: Named, role: Role): boolean {
  const [program, , ...rest] = words;
  return program === shell && rest[0] === role && rest[1] === named.home && rest[2] === named.instance;
}

/** Holders of this sandbox that /proc shows: ours, which log into the home. */
function findOwn(named: Named, role: Role): readonly ProcessRef[] {
  return findProcesses((words) => isRole(words, named, role), [named.home, named.runDir]).filter(isRunning);
}

function listOf(ref: ProcessRef | undefined): readonly ProcessRef[] {
  return ref === undefined ? [] : [ref];
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, index) => word === b[index]);
}
