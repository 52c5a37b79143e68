// The way into a sandbox's namespaces: a process that lives in them, and nsenter(1).
import { readlinkSync } from 'node:fs';
import type { ProcessRef, SandboxFacts } from '../core/state/facts.ts';
import { isRunning } from './processes.ts';
import { programPath } from './programs.ts';

/** How to get into a sandbox's namespaces: through a process that lives in them. */
export interface SpaceRef {
  readonly keeper: ProcessRef;
  /** Whether the network namespace lies in a user namespace of its own */
  readonly userns: boolean;
}

/** The way in, when the keeper lives (or one of `through` does and is in the recorded namespace). */
export function spaceOf(facts: SandboxFacts, through: readonly ProcessRef[] = []): SpaceRef | undefined {
  const userns = usesUserns(facts);
  if (facts.keeper !== undefined && isRunning(facts.keeper)) return { keeper: facts.keeper, userns };
  const inside = through.find((ref) => facts.netns !== undefined && isRunning(ref) && netnsOf(ref.pid) === facts.netns);
  return inside === undefined ? undefined : { keeper: inside, userns };
}

/** Turns a command into one that runs inside the namespaces. */
export function enterArgv(space: SpaceRef): (argv: readonly string[]) => readonly string[] {
  const flags = space.userns ? ['-U', '-n', '--preserve-credentials'] : ['-n'];
  const prefix = [programPath('nsenter'), '-t', String(space.keeper.pid), ...flags, '--'];
  return (argv) => [...prefix, ...argv];
}

/** Whether a sandbox has a user namespace: as recorded, else everybody but root gets one. */
export function usesUserns(facts: SandboxFacts): boolean {
  return facts.userns ?? process.geteuid?.() !== 0;
}

/** Inode of a process's network namespace, or undefined when it is gone or another user's. */
export function netnsOf(pid: number): string | undefined {
  try {
    return /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1];
  } catch {
    // Gone, or not ours to look at.
    return undefined;
  }
}
