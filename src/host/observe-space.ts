// What a sandbox's namespace shows now.
import { bug } from '../core/errors.ts';
import type { SandboxObservation } from '../core/observed.ts';
import type { ProcessRef, SandboxFacts } from '../core/state/facts.ts';

export interface ObserveSpaceOptions {
  readonly runDir: string;
  /** Whether to compare the packet filter: the one thing that needs a process. `skip` gives `unknown` */
  readonly rules: 'read' | 'skip';
  /** VMMs inside, see openSpace */
  readonly through?: readonly ProcessRef[];
}

/** Reads namespace, holder, uplink, forwards, links and rules. Never throws for what they can be in. */
export async function observeSpace(facts: SandboxFacts, options: ObserveSpaceOptions): Promise<SandboxObservation> {
  return bug(`not yet ${facts.netns} ${options.runDir}`);
}
