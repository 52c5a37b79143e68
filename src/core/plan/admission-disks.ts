// Known before it fails: whether the disks that a plan makes have room on this host.
import type { Address } from '../address.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import { roughBytes } from '../render/quantity.ts';
import type { VmAttrs } from '../state/attrs.ts';
import type { ResourceRecord } from '../state/state.ts';
import { formatSize } from '../units.ts';
import type { Outcome, PlanInputs } from './context.ts';

/** What a guest can make its logs take, in `bytes`: serial log, the one of the start before, and the VMM's, 16 MiB each. */
const vmLogsBytes = 3 * 16 * 2 ** 20;

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
  /** Image that it is a copy of */
  readonly image?: Address;
}

/** Reasons against, and warnings about, the disks that a plan makes. */
export function admitDisks(inputs: PlanInputs, outcomes: ReadonlyMap<Address, Outcome>): readonly Diagnostic[] {
  const records = new Map((inputs.state?.resources ?? []).map((record) => [record.address, record]));
  const disks = [...outcomes].flatMap(([address, outcome]) => newDisks(outcome, records.get(address), inputs));
  const copies = [...outcomes.values()].flatMap((outcome) => newCopies(outcome, inputs));
  const machines = [...outcomes.values()].filter(
    ({ change }) => change?.action === 'create' && change.address.startsWith('vm.'),
  );
  if (disks.length + copies.length + machines.length === 0) return [];
  const available = inputs.observed.host.diskAvailableBytes;
  const logsBytes = machines.length * vmLogsBytes;
  return [...tooSmall(disks), ...unpacked(disks, inputs), ...space(available, { disks, copies, logsBytes })];
}

/** Files of an image that the plan takes into the cache. */
interface NewCopy {
  readonly address: Address;
  readonly sizeBytes: number;
}

function newCopies({ steps }: Outcome, { observed }: PlanInputs): readonly NewCopy[] {
  return steps.flatMap(({ address, action }) => {
    const sizeBytes = action.op === 'image.ensure' ? observed.images.get(address)?.takesBytes : undefined;
    return sizeBytes === undefined ? [] : [{ address, sizeBytes }];
  });
}

/** A small file that becomes a large disk is told of, from this many times its size and this many bytes on. */
const surprisingTimes = 16;
const surprisingBytes = 128 * 2 ** 20;

/** Once for each image: its disks are alike. */
function unpacked(disks: readonly NewDisk[], { observed }: PlanInputs): readonly Diagnostic[] {
  const images = new Map<Address, number>();
  for (const { image } of disks) if (image !== undefined) images.set(image, (images.get(image) ?? 0) + 1);
  return [...images].flatMap(([address, count]) => {
    const { diskPackedBytes: packed, diskUsedBytes: used } = observed.images.get(address) ?? {};
    if (packed === undefined || used === undefined || used < surprisingBytes || used < packed * surprisingTimes)
      return [];
    const each = count === 1 ? 'the disk that is made from it takes' : `each of the ${count} disks made from it takes`;
    const detail = `The disk of ${address} is a file of ${roughBytes(packed)}; unpacked, ${each} up to ${roughBytes(used)}.`;
    return [diagnostic('SBX3117', { address, detail, hint: 'Look whether the file is what you take it for.' })];
  });
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

interface Takers {
  readonly disks: readonly NewDisk[];
  readonly copies: readonly NewCopy[];
  readonly logsBytes: number;
}

function space(available: number, { disks, copies, logsBytes }: Takers): readonly Diagnostic[] {
  const taken = copies.find(({ sizeBytes }) => sizeBytes > available);
  if (taken !== undefined) {
    const detail = `The copy of the files of ${taken.address} in the cache takes ${roughBytes(taken.sizeBytes)}, and ${roughBytes(available)} are available.`;
    return [
      diagnostic('SBX3112', {
        address: taken.address,
        detail,
        hint: 'Free space, or keep the home elsewhere with --home.',
      }),
    ];
  }
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
  const whole = [...disks, ...copies].reduce((sum, { sizeBytes }) => sum + sizeBytes, logsBytes);
  if (whole <= available) return [];
  const detail = `When guests fill them, the new disks and logs take ${roughBytes(whole)}, and ${roughBytes(available)} are available.`;
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
    ...(image === undefined ? {} : { image: attrs.image }),
  };
}
