// Processes of a sandbox that cannot be told from here: where any of them lives, nothing of the sandbox may be touched.
import { join } from 'node:path';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import type { Observed } from '../core/observed.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import type { State } from '../core/state/state.ts';
import { hasReader, isListening } from '../host/listening.ts';
import { pidNamespace } from '../host/process-view.ts';
import { isElsewhere, presenceOf } from '../host/processes.ts';
import { uplinkSocket } from '../host/uplink.ts';
import type { SandboxLayout } from '../store/home.ts';

/** A process that a state knows, and how it shows itself without /proc. */
interface Recorded {
  readonly who: string;
  readonly ref: ProcessRef;
  readonly serves: () => boolean | Promise<boolean>;
  /** Whether it was seen to answer already */
  readonly answers?: boolean;
}

/**
 * Why this sandbox must not be touched from here (SBX6008): a process of it is in another pid namespace, or hidden by the way
 * /proc is mounted, and lives. Sockets and FIFOs tell that, since they are the same for all namespaces of a host. Processes of
 * a container that is gone serve nothing, and count as gone.
 */
export async function findUnseen(
  state: State | undefined,
  layout: SandboxLayout,
  vms: Observed['vms'],
): Promise<Diagnostic | undefined> {
  if (pidNamespace() === undefined)
    return refusal(
      layout,
      'the /proc of this place is missing, or that of another pid namespace',
      'Mount the right one:\nmount -t proc proc /proc',
    );
  const unseen: { readonly who: string; readonly presence: 'hidden' | 'elsewhere' }[] = [];
  for (const { who, ref, serves } of worthALook(recordedIn(state, layout, vms))) {
    const presence = presenceOf(ref);
    if (presence === 'hidden' || (presence === 'elsewhere' && (await serves()))) unseen.push({ who, presence });
  }
  if (unseen.length === 0) return undefined;
  const who = listed(unseen.map((one) => one.who));
  return unseen.some(({ presence }) => presence === 'hidden')
    ? refusal(layout, `/proc is mounted so that it hides the processes of ${who}`, 'Mount it without hidepid.')
    : refusal(
        layout,
        `the processes of ${who} live in another pid namespace, as that of a container or of the host around it`,
        'Run sbx where the sandbox was applied.',
      );
}

/** Of many VMs that answer one is looked up: where /proc hides one, it hides all of its kind. */
function worthALook(recorded: readonly Recorded[]): readonly Recorded[] {
  const first = recorded.find(({ answers }) => answers === true);
  return recorded.filter((one) => one.answers !== true || one === first || isElsewhere(one.ref));
}

function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

function refusal(layout: SandboxLayout, why: string, hint: string): Diagnostic {
  return diagnostic('SBX6008', { detail: `Sandbox ${layout.id} cannot be told as a whole from here: ${why}.`, hint });
}

function recordedIn(state: State | undefined, layout: SandboxLayout, vms: Observed['vms']): readonly Recorded[] {
  return (state?.resources ?? []).flatMap((record): readonly Recorded[] => {
    if (record.kind === 'vm') {
      const { process } = record.facts;
      const answers = !['absent', 'exited', 'dead', 'lost'].includes(vms.get(record.address)?.state ?? 'absent');
      return process === undefined ? [] : [{ who: record.address, ref: process, serves: () => answers, answers }];
    }
    if (record.kind !== 'sandbox') return [];
    const { keeper, uplink, holder } = record.facts;
    return [
      ...one('its keeper', keeper, () => hasReader(join(layout.runDir, 'keep'))),
      ...one('its uplink', uplink, () => isListening(uplinkSocket(layout.runDir))),
      // The watcher of the lease serves nothing; where it is alone, there is nothing to be touched.
      ...one('its holder', holder, () => false),
    ];
  });
}

function one(who: string, ref: ProcessRef | undefined, serves: Recorded['serves']): readonly Recorded[] {
  return ref === undefined ? [] : [{ who, ref, serves }];
}
