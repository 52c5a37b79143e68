// Steps: what apply does, one idempotent host operation each. A plan holds all of them before anything runs.
import type { Address } from '../address.ts';
import type { ImageSource } from '../desired.ts';
import type { SandboxAttrs, VmAttrs, VolumeAttrs } from '../state/attrs.ts';
import type { AfterStep } from '../state/journal.ts';
import type { ResourceRecord } from '../state/state.ts';

/** What a step does. Arguments are complete: nothing is looked up in the file while applying, save secrets. */
export type StepAction =
  /** Makes folders, namespaces and the holder; repairs what of them is missing */
  | { readonly op: 'sandbox.open'; readonly attrs: SandboxAttrs }
  /** Writes the lease that the holder watches */
  | { readonly op: 'sandbox.lease'; readonly expiresMs: number | null }
  /** Starts the user-space uplink when it does not run */
  | { readonly op: 'sandbox.uplink' }
  | { readonly op: 'sandbox.uplink-stop' }
  /** Loads the packet filter and makes the published ports equal to `attrs` */
  | { readonly op: 'sandbox.rules'; readonly attrs: SandboxAttrs }
  /** Ends the holder, the uplink and with them the namespace; removes the folders */
  | { readonly op: 'sandbox.close' }
  | { readonly op: 'image.ensure'; readonly source: ImageSource; readonly digest: string }
  | { readonly op: 'image.release' }
  | { readonly op: 'volume.create'; readonly attrs: VolumeAttrs }
  | { readonly op: 'volume.grow'; readonly sizeBytes: number }
  /** With `ifUnwritten` only a volume without a single block: a rollback destroys no data */
  | { readonly op: 'volume.delete'; readonly ifUnwritten?: true }
  | { readonly op: 'network.ensure'; readonly gateway: string; readonly prefix: number }
  | { readonly op: 'network.remove' }
  | { readonly op: 'vm.disk-create'; readonly disk: string; readonly image: Address; readonly attrs: VmAttrs }
  | { readonly op: 'vm.disk-delete'; readonly disk: string }
  /** Ends of NICs on the bridges, and who is to answer at their addresses */
  | {
      readonly op: 'vm.tap';
      readonly nic: string;
      readonly network: Address;
      readonly ip: string;
      readonly mac: string;
    }
  | { readonly op: 'vm.tap-remove'; readonly nic: string; readonly network: Address; readonly ip: string }
  /** Writes what the guest reads at boot: addresses, hostname, keys, environment */
  | { readonly op: 'vm.seed'; readonly attrs: VmAttrs }
  /** Starts a process, creates and boots; a failure leaves no process */
  | { readonly op: 'vm.start'; readonly attrs: VmAttrs }
  | { readonly op: 'vm.ready'; readonly attrs: VmAttrs }
  /** Power button, then harder; ends with no process and no sockets */
  | { readonly op: 'vm.stop'; readonly graceMs: number }
  | { readonly op: 'vm.resume' }
  | { readonly op: 'vm.cpus'; readonly count: number }
  | { readonly op: 'vm.memory'; readonly sizeBytes: number }
  | { readonly op: 'vm.disk-attach'; readonly disk: string; readonly attrs: VmAttrs }
  | { readonly op: 'vm.disk-detach'; readonly disk: string }
  | { readonly op: 'vm.disk-grow'; readonly disk: string; readonly sizeBytes: number }
  /** Removes the folders of a VM that does not run */
  | { readonly op: 'vm.delete' }
  /** Changes the record only */
  | { readonly op: 'record' };

export type StepOp = StepAction['op'];
export type ActionOf<O extends StepOp> = Extract<StepAction, { readonly op: O }>;

/** A step with its place in the graph. */
export interface Step {
  /** Unique in the plan: address, `/`, op and what it is about */
  readonly id: string;
  readonly address: Address;
  readonly action: StepAction;
  /** Ids of steps that must be done before; a failed one stops this one */
  readonly needs: readonly string[];
  /** The resource as it is known once this step has begun; absent leaves the record as it is */
  readonly before?: ResourceRecord;
  /** What becomes of the record when it is done; facts that the host answers are added */
  readonly after: AfterStep;
}
