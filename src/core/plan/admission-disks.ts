// Known before it fails: whether the disks that a plan makes have room on this host.
import type { Address } from '../address.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import { roughBytes } from '../render/quantity.ts';
import type { VmAttrs } from '../state/attrs.ts';
import type { ResourceRecord } from '../state/state.ts';
import { formatSize } from '../units.ts';
import type { Outcome, PlanInputs } from './context.ts';

/** One disk that the plan makes. */
interface NewDisk {
  readonly address: Address;
  readonly name: string;
  /** As the guest sees it; sparse, so that it takes space only as it is written */
  readonly sizeBytes: number;
  /** Least size that it can have: that of its image */
  readonly leastBytes: number;
  /** Space that it takes from the start */
  readonly copiedBytes: number;
}

/** Reasons against, and warnings about, the disks that a plan makes. */
export function admitDisks(inputs: PlanInputs, outcomes: ReadonlyMap<Address, Outcome>): readonly Diagnostic[] {
  const records = new Map((inputs.state?.resources ?? []).map((record) => [record.address, record]));
  const disks = [...outcomes].flatMap(([address, outcome]) => newDisks(outcome, records.get(address), inputs));
  if (disks.length === 0) return [];
  return [...tooSmall(disks), ...space(inputs.observed.host.diskAvailableBytes, disks)];
}

function tooSmall(disks: readonly NewDisk[]): readonly Diagnostic[] {
  return disks
    .filter(({ sizeBytes, leastBytes }) => sizeBytes < leastBytes)
    .map(({ address, name, sizeBytes, leastBytes }) =>
      diagnostic('SBX3115', {
        address,
        detail: `${address}: disks.${name} has ${formatSize(sizeBytes)}, and the disk of its image ${formatSize(leastBytes)}.`,
        hint: `Give it at least ${formatSize(Math.ceil(leastBytes / 2 ** 20) * 2 ** 20)}, or leave its size out.`,
      }),
    );
}

function space(available: number, disks: readonly NewDisk[]): readonly Diagnostic[] {
  const large = disks.find(({ copiedBytes }) => copiedBytes > available);
  if (large !== undefined) {
    const detail = `The copy of the image for disks.${large.name} of ${large.address} takes ${roughBytes(large.copiedBytes)}, and ${roughBytes(available)} are available.`;
    return [
      diagnostic('SBX3112', {
        address: large.address,
        detail,
        hint: 'Free space, or keep the home elsewhere with --home.',
      }),
    ];
  }
  const whole = disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (whole <= available) return [];
  const detail = `When guests fill them, the new disks take ${roughBytes(whole)}, and ${roughBytes(available)} are available.`;
  return [diagnostic('SBX3109', { detail, hint: 'Keep an eye on it, or keep the home elsewhere with --home.' })];
}

function newDisks(
  { steps, change }: Outcome,
  record: ResourceRecord | undefined,
  inputs: PlanInputs,
): readonly NewDisk[] {
  const keeps = record?.kind === 'vm' && record.status === 'ready' && change?.action !== 'replace';
  const has = keeps ? record.attrs.disks : {};
  return steps.flatMap(({ address, action }) => {
    switch (action.op) {
      case 'volume.create':
        return [volumeDisk(address, action.attrs.sizeBytes)];
      case 'volume.grow':
        return [volumeDisk(address, action.sizeBytes - (record?.kind === 'volume' ? record.attrs.sizeBytes : 0))];
      case 'vm.disk-create':
        return has[action.disk] === undefined ? [vmDisk(address, action.disk, action.attrs, inputs)] : [];
      default:
        return [];
    }
  });
}

function volumeDisk(address: Address, sizeBytes: number): NewDisk {
  return { address, name: address, sizeBytes: Math.max(0, sizeBytes), leastBytes: 0, copiedBytes: 0 };
}

function vmDisk(address: Address, name: string, attrs: VmAttrs, { observed }: PlanInputs): NewDisk {
  const disk = attrs.disks[name];
  const image = disk?.type === 'root' ? observed.images.get(attrs.image) : undefined;
  const leastBytes = image?.diskBytes ?? 0;
  return {
    address,
    name,
    sizeBytes: disk?.sizeBytes ?? leastBytes,
    leastBytes,
    copiedBytes: image?.diskUsedBytes ?? 0,
  };
}
