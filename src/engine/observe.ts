// Observe: reads everything that a plan looks at, at the same time. Each reader is passed in.
import type { Address } from '../core/address.ts';
import type {
  HostFacts,
  ImageObservation,
  Observed,
  SandboxObservation,
  VmObservation,
  VolumeObservation,
} from '../core/observed.ts';

/** One reader per part of the world; each is called once and knows what to read. */
export interface Readers {
  readonly sandbox: () => Promise<SandboxObservation>;
  readonly images: () => Promise<ReadonlyMap<Address, ImageObservation>>;
  readonly volumes: () => Promise<ReadonlyMap<Address, VolumeObservation>>;
  readonly vms: () => Promise<ReadonlyMap<Address, VmObservation>>;
  readonly host: () => Promise<HostFacts>;
}

/** The world as it is now. */
export async function observe(readers: Readers): Promise<Observed> {
  const [sandbox, images, volumes, vms, host] = await Promise.all([
    readers.sandbox(),
    readers.images(),
    readers.volumes(),
    readers.vms(),
    readers.host(),
  ]);
  return { sandbox, images, volumes, vms, host };
}
