// Every kind of step; the compiler keeps the list complete.
import type { StepOp } from '../../src/core/plan/steps.ts';

export const stepKinds: readonly string[] = Object.keys({
  ...{ 'sandbox.open': 1, 'sandbox.lease': 1, 'sandbox.uplink': 1, 'sandbox.uplink-stop': 1, 'sandbox.rules': 1 },
  ...{ 'sandbox.close': 1, 'image.ensure': 1, 'image.release': 1, 'volume.create': 1, 'volume.grow': 1 },
  ...{ 'volume.delete': 1, 'network.ensure': 1, 'network.remove': 1, 'vm.disk-create': 1, 'vm.disk-delete': 1 },
  ...{ 'vm.tap': 1, 'vm.tap-remove': 1, 'vm.seed': 1, 'vm.start': 1, 'vm.ready': 1, 'vm.stop': 1, 'vm.resume': 1 },
  ...{ 'vm.cpus': 1, 'vm.memory': 1, 'vm.disk-attach': 1, 'vm.disk-detach': 1, 'vm.disk-grow': 1, 'vm.delete': 1 },
  ...{ record: 1 },
} satisfies Record<StepOp, 1>);
