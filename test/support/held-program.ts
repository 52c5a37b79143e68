// sbx as it is, but for an apply and a log that go on until they are interrupted.
import { once } from 'node:events';
import type { GuestServices, Services } from '../../src/cli/services.ts';
import { ok } from '../../src/core/checked.ts';
import { main } from '../../src/main.ts';
import { plannerOf } from './cli.ts';
import { at, firstPlan } from './plans.ts';

/** Resolves at the interrupt; what waits for it has something to do until then, as a real apply has. */
async function interrupted(signal: AbortSignal): Promise<void> {
  const busy = setInterval(() => undefined, 1000);
  await once(signal, 'abort');
  clearInterval(busy);
}

const { services } = plannerOf(firstPlan, {
  apply: async ({ emit, signal }) => {
    emit({ type: 'step-started', step: 's', address: at('network.lan'), op: 'network.ensure' });
    await interrupted(signal);
    return ok({ status: 'interrupted', outcomes: [], elapsedMs: 1 });
  },
});
const guests: Partial<GuestServices> = {
  logs: async ({ write, signal }) => {
    await write(Buffer.from('network.lan\n'));
    await interrupted(signal);
  },
};

await main(process, { createServices: () => ({ ...services, guests }) as Services });
