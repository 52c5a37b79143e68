// What a resize looks like from within: the guest must bring new vCPUs online itself, and that takes a moment.
import { setTimeout as delay } from 'node:timers/promises';
import { SbxError } from '../../core/errors.ts';
import type { StepContext } from '../../engine/provider.ts';
import { type AgentSession, openAgentSession } from '../../guest/agent.ts';
import type { VmmDriver, VmRef } from '../../vmm/driver.ts';

const patienceMs = 15_000;
/** A busy guest takes its time; one without an agent costs this much once. */
const agentPatienceMs = 10_000;

export interface GuestShapeRequest {
  readonly driver: VmmDriver;
  readonly ref: VmRef;
  readonly context: StepContext;
  readonly cpus: number;
}

/** Waits until the guest uses so many vCPUs. A guest without an agent is taken at the VMM's word; SBX8011 when it is known not to. */
export async function waitForGuestShape({ driver, ref, context, cpus }: GuestShapeRequest): Promise<void> {
  const session = await openAgentSession(() => driver.openAgent(ref), {
    timeoutMs: agentPatienceMs,
    signal: context.signal,
  }).catch(() => undefined);
  if (session === undefined) {
    context.progress('no guest agent answers: the VMM says that it is done');
    return;
  }
  try {
    await untilOnline(session, cpus, context.signal);
  } finally {
    session.close();
  }
}

async function untilOnline(session: AgentSession, cpus: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const online = (await session.getVcpus()).filter((vcpu) => vcpu.online).length;
    if (online === cpus) return;
    if (performance.now() > deadline) {
      const hint = 'The guest must bring vCPUs online by itself; the tiny image does.';
      throw new SbxError(
        'SBX8011',
        `the guest uses ${online} vCPUs and not ${cpus}, ${patienceMs / 1000} s after the change`,
        { hint },
      );
    }
    await delay(50, undefined, { signal });
  }
}
