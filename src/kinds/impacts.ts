// The table of impacts: what a change of each field of the file costs, why, and through which call. Data for the planner,
// for docs/impact.md and for the schema's hovers (scripts/generate-impact-docs.mjs). Sources: docs/hotplug.md, docs/device_model.md
// and the release notes of Cloud Hypervisor; QEMU's QMP reference and docs/system/.
import type { Capabilities } from '../core/plan/capabilities.ts';
import type { Impact, Through } from '../core/plan/plan.ts';

/** What a change costs, for one driver. */
export interface Cost {
  readonly impact: Impact;
  /** How it is carried out, where that is less than what it costs */
  readonly through?: Through;
  /** Why, in words for users */
  readonly reason: string;
}

/** What a driver may or may not do while a VM runs. */
type Ability = 'cpuGrow' | 'cpuShrink' | 'memoryGrow' | 'memoryShrink' | 'diskAttach' | 'diskDetach' | 'diskGrow';

/** One way in which a field can change. */
export interface ImpactCase {
  /** In which direction or under which condition: completes "changing it … is live" */
  readonly when: string;
  /** `refused`: there is no such plan */
  readonly impact: Impact | 'refused';
  /** Of a `live` change, and of one that `loses`: where the driver lacks this, it is a restart */
  readonly ability?: Ability;
  /** It is as dear as a replacement for what it loses, and is carried out live where the driver has the ability */
  readonly loses?: true;
  readonly why: string;
  /** Why it is a restart where the driver cannot; follows the driver's name */
  readonly whyNot?: string;
  /** The call that carries it out: on Cloud Hypervisor, then on QEMU where it differs */
  readonly through: string;
  /** Only sbx reads the field: it changes at once, whether the VM runs or not */
  readonly recordOnly?: boolean;
  /** For the schema's hovers, where the impact alone says too little */
  readonly hover?: string;
}

/** A change that can be planned. */
export type PayableCase = ImpactCase & { readonly impact: Impact };

/** One field of the file. */
export interface ImpactRow {
  /** Where it stands in schemas/sandbox.schema.json */
  readonly schema: string;
  readonly cases: Readonly<Record<string, ImpactCase>>;
}

const newProcess = 'a new VMM process: stop, start';
const onlySbx = {
  when: 'at all',
  impact: 'live',
  why: 'only sbx reads it',
  through: 'the state',
  recordOnly: true,
} as const;

function needsBoot(why: string): PayableCase {
  return { when: 'at all', impact: 'restart', why, through: newProcess };
}

const rowsOfImage = {
  withRoot: {
    when: 'for VMs with a root disk',
    impact: 'replace',
    why: 'its root disk is made from the image',
    through: 'a new root disk and a new VMM process',
  },
  withoutRoot: {
    when: 'for VMs without one',
    impact: 'restart',
    why: 'it boots the kernel and initrd of the image',
    through: newProcess,
  },
} as const;

const anotherDisk = {
  volume: {
    when: 'from a volume to another disk',
    impact: 'restart',
    why: 'another disk takes its place',
    through: newProcess,
  },
  own: {
    when: 'from an own disk to a volume',
    impact: 'replace',
    why: 'another disk takes its place',
    through: 'new disks and a new VMM process',
  },
} as const;

const lessDisk = {
  when: 'to less',
  impact: 'replace',
  why: 'a disk is never cut: it is made anew',
  through: 'a new disk and a new VMM process',
} as const;

const moreDisk = {
  when: 'to more',
  impact: 'live',
  ability: 'diskGrow',
  why: 'grows in place',
  whyNot: 'cannot grow a disk of a running VM',
  through: 'vm.resize-disk (50 and 51 only with io_uring); QEMU: block_resize',
} as const;

/** Every field whose change costs something, by its path in the file; `*` stands for a name. */
export const impactTable = {
  expires: {
    schema: '/properties/expires',
    cases: {
      changed: { ...onlySbx, why: 'the holder watches the lease', through: 'the lease file of the holder' },
    },
  },
  'images.*': {
    schema: '/$defs/image',
    cases: rowsOfImage,
  },
  'volumes.*.size': {
    schema: '/$defs/volume/properties/size',
    cases: {
      more: {
        when: 'to more',
        impact: 'live',
        why: 'volumes grow in place',
        through: 'truncate, and disks.* of its VMs',
      },
      less: { when: 'to less', impact: 'refused', why: 'its end would be lost', through: 'none' },
    },
  },
  'volumes.*.protect': { schema: '/$defs/volume/properties/protect', cases: { changed: onlySbx } },
  'networks.*.subnet': {
    schema: '/$defs/network/properties/subnet',
    cases: {
      changed: {
        when: 'at all',
        impact: 'live',
        why: 'the bridge takes another address; its VMs restart with theirs',
        through: 'ip addr, and networks.* of its VMs',
        hover: 'is done live and restarts its VMs',
      },
    },
  },
  'networks.*.mode': {
    schema: '/$defs/network/properties/mode',
    cases: {
      isolated: { when: 'to isolated', impact: 'live', why: 'the packet filter decides', through: 'nft' },
      nat: {
        when: 'to nat',
        impact: 'next-boot',
        why: 'guests learn of the gateway at their next boot',
        through: 'nft at once, the seed at the next boot',
      },
      userNet: {
        when: 'without a namespace',
        impact: 'restart',
        why: 'the VMM itself closes or opens it',
        through: newProcess,
      },
    },
  },
  'vms.*.image': { schema: '/$defs/vm/properties/image', cases: rowsOfImage },
  'vms.*.cmdline': {
    schema: '/$defs/vm/properties/cmdline',
    cases: { changed: needsBoot('the kernel reads it at boot') },
  },
  'vms.*.hostname': {
    schema: '/$defs/vm/properties/hostname',
    cases: { changed: needsBoot('the guest reads its name at boot') },
  },
  'vms.*.cpus.count': {
    schema: '/$defs/vm/properties/cpus/properties/count',
    cases: {
      more: {
        when: 'to more, up to cpus.max',
        impact: 'live',
        ability: 'cpuGrow',
        why: 'vCPUs are plugged in',
        whyNot: 'cannot add vCPUs to a running VM',
        through: 'vm.resize desired_vcpus; QEMU: device_add',
      },
      beyond: {
        when: 'beyond what cpus.max was',
        impact: 'restart',
        why: 'more than the maximum it was started with',
        through: newProcess,
      },
      less: {
        when: 'to less',
        impact: 'live',
        ability: 'cpuShrink',
        why: 'the guest gives vCPUs back',
        whyNot: 'cannot take vCPUs from a running VM',
        through: 'vm.resize desired_vcpus; QEMU: device_del',
      },
    },
  },
  'vms.*.cpus.max': {
    schema: '/$defs/vm/properties/cpus/properties/max',
    cases: { changed: needsBoot('the maximum is fixed when the VMM starts') },
  },
  'vms.*.memory.size': {
    schema: '/$defs/vm/properties/memory/properties/size',
    cases: {
      more: {
        when: 'to more, up to memory.max',
        impact: 'live',
        ability: 'memoryGrow',
        why: 'memory is plugged in',
        whyNot: 'cannot add memory to a running VM',
        through: 'virtio-mem in steps of 2MiB: vm.resize desired_ram; QEMU: qom-set requested-size',
      },
      beyond: {
        when: 'beyond what memory.max was',
        impact: 'restart',
        why: 'more than the maximum it was started with',
        through: newProcess,
      },
      less: {
        when: 'to less, down to the size at its start',
        impact: 'live',
        ability: 'memoryShrink',
        why: 'plugged memory is given back',
        whyNot: 'cannot take memory from a running VM',
        through: 'virtio-mem in steps of 2MiB: vm.resize desired_ram; QEMU: qom-set requested-size',
      },
      below: {
        when: 'to less than that',
        impact: 'restart',
        why: 'less than it was started with',
        through: newProcess,
      },
    },
  },
  'vms.*.memory.max': {
    schema: '/$defs/vm/properties/memory/properties/max',
    cases: { changed: needsBoot('the maximum is fixed when the VMM starts') },
  },
  'vms.*.disks': {
    schema: '/$defs/vm/properties/disks',
    cases: {
      added: {
        when: 'by one more',
        impact: 'live',
        ability: 'diskAttach',
        why: 'plugged in',
        whyNot: 'cannot plug disks into a running VM',
        through: 'vm.add-disk; QEMU: blockdev-add, device_add',
      },
      removed: {
        when: 'by one volume less',
        impact: 'live',
        ability: 'diskDetach',
        why: 'the guest must not use it any more',
        whyNot: 'cannot unplug disks from a running VM',
        through: 'vm.remove-device; QEMU: device_del, blockdev-del',
      },
      removedOwn: {
        when: 'by one less of its own',
        impact: 'replace',
        ability: 'diskDetach',
        loses: true,
        why: 'its content is lost',
        through: 'vm.remove-device; QEMU: device_del, blockdev-del; its file is deleted',
      },
      rootAdded: {
        when: 'by root',
        impact: 'restart',
        why: 'the guest takes its root disk at boot',
        through: newProcess,
      },
      rootRemoved: {
        when: 'by taking root away',
        impact: 'replace',
        why: 'the guest runs from it',
        through: 'new disks and a new VMM process',
      },
    },
  },
  'vms.*.disks.*.size': {
    schema: '/$defs/disk/properties/size',
    cases: {
      more: moreDisk,
      readonly: {
        when: 'to more, where the VM only reads it',
        impact: 'next-boot',
        why: 'a VMM grows only what it may write, and the guest sees the new size when it boots',
        through: 'truncate of the volume, no call',
      },
      less: lessDisk,
    },
  },
  'vms.*.disks.*.volume': {
    schema: '/$defs/disk/properties/volume',
    cases: anotherDisk,
  },
  'vms.*.disks.*.readonly': {
    schema: '/$defs/disk/properties/readonly',
    cases: { changed: { ...anotherDisk.volume, when: 'at all' } },
  },
  'vms.*.networks': {
    schema: '/$defs/vm/properties/networks',
    cases: { changed: { ...needsBoot('the guest reads its addresses at boot'), when: 'by one more or less' } },
  },
  'vms.*.networks.*.address': {
    schema: '/$defs/nic/properties/address',
    cases: { changed: needsBoot('the guest reads its addresses at boot') },
  },
  'vms.*.networks.*.ports': {
    schema: '/$defs/nic/properties/ports',
    cases: {
      inside: {
        when: 'in a namespace',
        impact: 'live',
        why: 'the uplink publishes it',
        through: 'add_hostfwd and remove_hostfwd of slirp4netns',
      },
      userNet: {
        when: 'without a namespace',
        impact: 'restart',
        why: 'the VMM itself publishes it',
        through: newProcess,
      },
    },
  },
  'vms.*.env': {
    schema: '/$defs/vm/properties/env',
    cases: { changed: needsBoot('the guest reads its environment at boot') },
  },
  'vms.*.state': {
    schema: '/$defs/vm/properties/state',
    cases: {
      running: { when: 'to running', impact: 'live', why: 'it is started', through: 'a new VMM process' },
      stopped: {
        when: 'to stopped',
        impact: 'restart',
        why: 'the file says stopped',
        hover: 'stops the VM',
        through: 'vm.power-button; QEMU: system_powerdown; then harder',
      },
    },
  },
  'vms.*.on_exit': { schema: '/$defs/vm/properties/on_exit', cases: { changed: onlySbx } },
  'vms.*.ready': { schema: '/$defs/ready', cases: { changed: onlySbx } },
  'vms.*.depends_on': { schema: '/$defs/vm/properties/depends_on', cases: { changed: onlySbx } },
  'vms.*.lifecycle': { schema: '/$defs/lifecycle', cases: { changed: onlySbx } },
} as const satisfies Readonly<Record<string, ImpactRow>>;

export type ImpactField = keyof typeof impactTable;

/** What a case of the table costs with a driver; `undefined` is a driver of which nothing is known. */
export function costOf(entry: PayableCase, capabilities?: Capabilities): Cost {
  const { impact, ability, why, whyNot = 'cannot do it live' } = entry;
  if (entry.loses === true) {
    const live = ability === undefined || capabilities?.[ability] === 'live';
    return { impact, reason: why, through: live ? 'live' : 'restart' };
  }
  if (ability === undefined || capabilities?.[ability] === 'live') return { impact, reason: why };
  const who =
    capabilities === undefined
      ? 'the driver'
      : `${capabilities.driver} ${capabilities.version} (${capabilities.acceleration})`;
  return { impact: 'restart', reason: `${who} ${whyNot}` };
}
