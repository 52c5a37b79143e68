// What a sandbox's namespace shows now: files of /proc and sysfs, the uplink's socket, and for the packet filter one process.
import type { SandboxObservation } from '../core/observed.ts';
import type { ProcessRef, SandboxFacts } from '../core/state/facts.ts';
import { forwardKey } from '../core/uplink-ports.ts';
import { seeLease } from './lease.ts';
import { readLinks } from './link-table.ts';
import { readRules } from './packet-filter.ts';
import { isRunning, isWorking } from './processes.ts';
import { readRulesMark } from './rules-mark.ts';
import { spaceOf } from './space-ref.ts';
import { canServe, uplinkSocket } from './uplink.ts';
import { listForwards } from './uplink-api.ts';

export interface ObserveSpaceOptions {
  readonly runDir: string;
  /** Whether to compare the packet filter: the one thing that needs a process. `skip` gives `unknown` */
  readonly rules: 'read' | 'skip';
  /** VMMs inside, see openSpace */
  readonly through?: readonly ProcessRef[];
}

/** Reads namespace, holder, uplink, forwards, links and rules. Throws when the namespace is there and its links cannot be read. */
export async function observeSpace(facts: SandboxFacts, options: ObserveSpaceOptions): Promise<SandboxObservation> {
  const space = spaceOf(facts, options.through);
  // Where namespaces are forbidden there is no keeper, only the watcher of the lease.
  const keeps = facts.keeper === undefined || isWorking(facts.keeper);
  const holder = isWorking(facts.holder) && keeps ? 'present' : 'absent';
  const lease = await seeLease(options.runDir);
  if (space === undefined) return { ...nothing, holder, lease };
  const uplinkLives = canServe(facts.uplink, space);
  const [forwards, links, rules] = await Promise.all([
    uplinkLives ? readForwards(options.runDir) : undefined,
    readLinks(space).catch(asError),
    options.rules === 'read' ? readRules(space, options.runDir).catch(unknown) : unknown(),
  ]);
  // What was read through a process that ends meanwhile is not what the namespace has: another way in, or none, tells.
  if (!isRunning(space.keeper)) return await observeSpace(facts, options);
  if (links instanceof Error) throw links;
  return {
    namespace: 'present',
    holder,
    lease,
    uplink: forwards === undefined ? 'absent' : 'present',
    rules,
    forwards: forwards ?? [],
    links,
  };
}

const nothing = { namespace: 'absent', uplink: 'absent', rules: 'absent', forwards: [], links: {} } as const;

function asError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}

function unknown(): 'unknown' {
  return 'unknown';
}

/** Host ports with the guest ends that the packet filter gives them; undefined when the uplink does not answer. */
async function readForwards(runDir: string): Promise<readonly string[] | undefined> {
  const mark = await readRulesMark(runDir);
  try {
    const open = await listForwards(uplinkSocket(runDir));
    return open.map((have) => {
      const target = mark?.forwards[`${have.protocol}/${have.innerPort}`];
      return `${forwardKey(have)}→${target ?? 'nowhere'}`;
    });
  } catch {
    // It lives and does not answer: apply then starts it anew.
    return undefined;
  }
}
