// The wait for a VM to be ready, with what it needs of this host.
import type { Ready } from '../../core/desired.ts';
import type { VmAttrs } from '../../core/state/attrs.ts';
import type { StepContext } from '../../engine/provider.ts';
import { waitUntilReady as waitForGuest } from '../../guest/ready.ts';
import type { VmmDriver, VmRef } from '../../vmm/driver.ts';
import { connectivityIn, entering, type Shell } from '../shell.ts';

export interface WaitRequest {
  readonly ready: Ready;
  readonly attrs: VmAttrs;
  readonly driver: VmmDriver;
  readonly ref: VmRef;
  readonly shell: Shell;
  readonly context: StepContext;
}

/** Resolves when the VM counts as ready. Throws SBX8004 with what was last seen. */
export async function waitUntilReady({ ready, attrs, driver, ref, shell, context }: WaitRequest): Promise<void> {
  await waitForGuest(ready, {
    openAgent: () => driver.openAgent(ref),
    enter: entering(context),
    reach: (port) => reachOf(port, attrs, context),
    probeScript: shell.connectProbe,
    signal: context.signal,
  });
}

/** Where a port of the guest is reached: by its address in the namespace, or by a published port where there is none. */
function reachOf(
  port: number,
  attrs: VmAttrs,
  context: StepContext,
): { readonly host: string; readonly port: number } | undefined {
  const [nic] = Object.values(attrs.nics);
  if (nic === undefined) return undefined;
  if (connectivityIn(context) !== 'user-net') return { host: nic.ip, port };
  const forward = nic.forwards.find((candidate) => candidate.guestPort === port && candidate.protocol === 'tcp');
  return forward === undefined ? undefined : { host: forward.hostIp, port: forward.hostPort };
}
