// The wait for a VM to be ready, with what it needs of this host.
import type { Ready } from '../../core/desired.ts';
import { describeError, isSbxError, SbxError } from '../../core/errors.ts';
import type { Connectivity, VmAttrs } from '../../core/state/attrs.ts';
import type { StepContext } from '../../engine/provider.ts';
import { waitUntilReady as waitForGuest } from '../../guest/ready.ts';
import type { VmmDriver, VmRef } from '../../vmm/driver.ts';
import { connectivityIn, entering, type Shell } from '../shell.ts';
import { lastGuestLines, watchBoot } from './boot-watch.ts';

export interface WaitRequest {
  readonly ready: Ready;
  readonly attrs: VmAttrs;
  readonly driver: VmmDriver;
  readonly ref: VmRef;
  readonly shell: Shell;
  readonly context: StepContext;
}

/** How many of the guest's last lines stand under a failure. */
const linesShown = 8;

/**
 * Resolves when the VM counts as ready, or when it has come to the end that `on_exit: keep` allows. Throws SBX8004 with what was
 * last seen and the last lines of the guest's console: at once when its kernel panics, it powers itself off or its VMM ends.
 */
export async function waitUntilReady({ ready, attrs, driver, ref, shell, context }: WaitRequest): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const waiting = waitForGuest(ready, {
    openAgent: () => driver.openAgent(ref),
    enter: entering(context),
    reach: (port) => reachOf(ready.type, port, attrs, connectivityIn(context)),
    probeScript: shell.connectProbe,
    signal,
  }).then(
    () => ({ type: 'ready' }) as const,
    (error: unknown) => ({ type: 'failed', error }) as const,
  );
  const watch = watchBoot(driver, ref, signal);
  const first = await Promise.race([waiting, watch]).finally(() => stop.abort());
  const how = first ?? (await waiting);
  // Whichever of the two ended it: the other still asks something, and a step asks nothing after its end.
  await Promise.all([waiting, watch]);
  context.signal.throwIfAborted();
  switch (how.type) {
    case 'ready':
      return;
    case 'failed':
      throw await withGuestLines(how.error, ref);
    case 'exited':
      if (attrs.onExit === 'keep') return;
      throw await withGuestLines(new SbxError('SBX8004', 'The guest powered itself off before it was ready'), ref);
    case 'panic':
      throw await withGuestLines(new SbxError('SBX8013', `The guest's kernel panicked: ${how.reason}`), ref);
    case 'dead':
      throw await withGuestLines(new SbxError('SBX8004', `The VM ended before it was ready: ${how.reason}`), ref);
  }
}

/** The same failure with the last lines of the guest's console under it. */
async function withGuestLines(error: unknown, ref: VmRef): Promise<unknown> {
  if (!isSbxError(error)) return error;
  const lines = await lastGuestLines(ref, linesShown);
  if (lines.length === 0) return error;
  const words = [describeError(error), "The guest's console ends with:", ...lines.map((line) => `  ${line}`)];
  return new SbxError(error.code, words.join('\n'), error.hint === undefined ? {} : { hint: error.hint });
}

/**
 * Where a port of the guest is reached: by its address in the namespace, where only this VM answers, or by a published port where
 * there is none. Behind that one the VMM itself takes a connection, whether the guest listens or not: it serves only for what
 * waits for an answer.
 */
export function reachOf(
  type: Ready['type'],
  port: number,
  attrs: Pick<VmAttrs, 'nics'>,
  connectivity: Connectivity,
): { readonly host: string; readonly port: number } | undefined {
  const [nic] = Object.values(attrs.nics);
  if (nic === undefined) return undefined;
  if (connectivity !== 'user-net') return { host: nic.ip, port };
  if (type === 'tcp') return undefined;
  const forward = nic.forwards.find((candidate) => candidate.guestPort === port && candidate.protocol === 'tcp');
  return forward === undefined ? undefined : { host: forward.hostIp, port: forward.hostPort };
}
