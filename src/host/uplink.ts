// The way out for an ordinary user: slirp4netns, and the host ports that it listens on.
import { bug } from '../core/errors.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import type { SpaceRef } from './namespace.ts';

/** Starts the uplink unless `current` lives and answers; resolves when packets can leave. Forwards have to be applied afterwards. */
export async function startUplink(
  space: SpaceRef,
  options: { readonly runDir: string; readonly logPath: string; readonly current?: ProcessRef },
): Promise<ProcessRef> {
  return bug(`not yet ${space.userns} ${options.runDir}`);
}

/** Ends the uplink, its link and its forwards. */
export async function stopUplink(current: ProcessRef | undefined, runDir: string): Promise<void> {
  bug(`not yet ${current?.pid} ${runDir}`);
}

/** Makes the host ports of the running uplink equal to `attrs.forwards`; those that stay are not touched. */
export async function applyForwards(attrs: SandboxAttrs, runDir: string): Promise<void> {
  bug(`not yet ${attrs.uplink} ${runDir}`);
}
