// What a step does, in the words of a log line. They hold with a namespace and without one, and where a step that is safe to
// repeat finds done what it is for: a disk that is kept, a VM that is off.
import type { StepOp } from '../plan/steps.ts';

/** `[while it runs, when it is done]` per operation. */
const words: Readonly<Record<StepOp, readonly [string, string]>> = {
  'sandbox.open': ['opening', 'opened'],
  'sandbox.lease': ['setting the lease', 'lease is set'],
  'sandbox.uplink': ['starting the uplink', 'uplink runs'],
  'sandbox.uplink-stop': ['stopping the uplink', 'uplink stopped'],
  'sandbox.rules': ['loading packet filter and ports', 'packet filter and ports are loaded'],
  'sandbox.close': ['closing', 'closed'],
  'image.ensure': ['preparing the image', 'image is there'],
  'image.release': ['releasing the image', 'image is released'],
  'volume.create': ['creating the volume', 'volume created'],
  'volume.grow': ['growing the volume', 'volume grown'],
  'volume.delete': ['deleting the volume', 'volume deleted'],
  'network.ensure': ['setting up', 'is set up'],
  'network.remove': ['removing', 'removed'],
  'vm.disk-create': ['preparing a disk', 'disk is ready'],
  'vm.disk-delete': ['deleting a disk', 'disk deleted'],
  'vm.tap': ['connecting a network', 'network connected'],
  'vm.tap-remove': ['disconnecting a network', 'network disconnected'],
  'vm.seed': ['writing the seed', 'seed written'],
  'vm.start': ['starting', 'started'],
  'vm.ready': ['waiting until ready', 'ready'],
  'vm.stop': ['turning off', 'is off'],
  'vm.resume': ['resuming', 'resumed'],
  'vm.cpus': ['changing vCPUs', 'vCPUs changed'],
  'vm.memory': ['changing memory', 'memory changed'],
  'vm.disk-attach': ['attaching a disk', 'disk attached'],
  'vm.disk-detach': ['detaching a disk', 'disk detached'],
  'vm.disk-grow': ['growing a disk', 'disk grown'],
  'vm.delete': ['removing its folders', 'folders removed'],
  record: ['recording', 'recorded'],
};

/** `starting` */
export function doingWords(op: StepOp): string {
  return words[op][0];
}

/** `started` */
export function doneWords(op: StepOp): string {
  return words[op][1];
}

/** Steps that are over in no time and would only fill a log. */
export function isQuiet(op: StepOp): boolean {
  return op === 'record' || op === 'sandbox.lease';
}
