// The namespaces of a sandbox and the two small processes that hold them and act on the lease.
import { bug } from '../core/errors.ts';
import type { ProcessRef, SandboxFacts } from '../core/state/facts.ts';

/** How to get into a sandbox's namespaces: through a process that lives in them. */
export interface SpaceRef {
  readonly keeper: ProcessRef;
  /** Whether the network namespace lies in a user namespace of its own */
  readonly userns: boolean;
}

export type NamespaceSupport =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly hint: string };

export interface OpenSpaceOptions {
  /** Home of sbx; stands on the command lines of both processes, so that orphans are found without a state */
  readonly home: string;
  /** `shop` or `shop@pr-17`; stands there too */
  readonly instance: string;
  /** Absolute folder of the sandbox's sockets, exists, mode 0700. Holds `lease`, `uplink.sock`, `rules.json` */
  readonly runDir: string;
  /** Where holder and destroy log, absolute */
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

/** Whether this user can have namespaces of their own, tried by making one with a link and a tap in it. Costs some 20 ms. */
export async function namespaceSupport(): Promise<NamespaceSupport> {
  return bug('not yet');
}

/** The same by reading a few files only: for a plan that creates nothing. Says no only where it is certain. */
export function namespaceGuess(): NamespaceSupport {
  return bug('not yet');
}

/** Makes namespaces and holder, or what of them is missing; gives the facts with holder, keeper, userns and netns filled in. */
export async function openSpace(options: OpenSpaceOptions): Promise<SandboxFacts> {
  return bug(`not yet ${options.home}`);
}

/** Ends uplink, keeper and holder, in this order, also those that only /proc knows; removes their files in the run folder. */
export async function closeSpace(
  options: Pick<OpenSpaceOptions, 'home' | 'instance' | 'runDir' | 'facts'>,
): Promise<void> {
  bug(`not yet ${options.home}`);
}

/** The way in, when the keeper lives (or one of `through` does and is in the recorded namespace). */
export function spaceOf(facts: SandboxFacts, through: readonly ProcessRef[] = []): SpaceRef | undefined {
  return bug(`not yet ${facts.netns} ${through.length}`);
}

/** Turns a command into one that runs inside the namespaces. */
export function enterArgv(space: SpaceRef): (argv: readonly string[]) => readonly string[] {
  return bug(`not yet ${space.userns}`);
}
