// Volumes that go from one VM to another within one apply: the new one waits until the old one has let go.
import type { Address } from '../../core/address.ts';
import type { DraftStep, PlanContext } from '../../core/plan/context.ts';
import type { DiskAttrs } from '../../core/state/attrs.ts';

/** What taking a disk has to wait for: every VM that is recorded with its volume, unless both only read it. */
export function handoverOf(
  address: Address,
  disk: DiskAttrs,
  context: PlanContext,
): NonNullable<DraftStep['requires']> {
  if (disk.type !== 'volume') return [];
  const holders = context.dependants(disk.volume).filter((other) => {
    const record = other === address ? undefined : context.record(other);
    if (record?.kind !== 'vm') return false;
    return Object.values(record.attrs.disks).some(
      (held) => held.type === 'volume' && held.volume === disk.volume && !(held.readonly && disk.readonly),
    );
  });
  return holders.map((holder) => ({ address: holder, point: 'released' as const }));
}
