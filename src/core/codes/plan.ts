// Codes SBX3xxx: planning: what this host or driver cannot do, refusals, stale plans.
import type { CodeEntry } from './entry.ts';

export const planCodes = {
  SBX3001: {
    severity: 'error',
    exit: 6,
    summary: 'Saved plan is stale',
    meaning: 'The file, the state or the host changed since the plan was saved. Plan again.',
  },
  SBX3101: {
    severity: 'error',
    summary: 'Not enough memory',
    meaning: 'The VMs that the plan starts ask for more memory than the host has available.',
  },
  SBX3102: {
    severity: 'error',
    summary: 'No VMM',
    meaning: 'No VMM of this host can run what the file asks for. sbx doctor says what is missing and how to get it.',
  },
  SBX3103: {
    severity: 'error',
    summary: 'No network namespace',
    meaning: 'The chosen VMM needs a network namespace, and this host does not allow one to this user.',
  },
  SBX3104: {
    severity: 'warning',
    summary: 'VMs do not see each other',
    meaning:
      'Without a network namespace each VM has a user network of its own: out to the world, but not to its neighbours.',
  },
  SBX3105: {
    severity: 'error',
    summary: 'Beyond what the VMM can do',
    meaning: 'A size or number is outside what this version of the chosen VMM accepts.',
  },
  SBX3106: {
    severity: 'error',
    summary: 'Port is taken',
    meaning: 'A port that the file publishes is used by another program or sandbox of this host.',
  },
  SBX3107: {
    severity: 'error',
    summary: 'Program is missing',
    meaning: 'A program of the host that the plan needs is not installed.',
  },
  SBX3108: {
    severity: 'warning',
    summary: 'More vCPUs than CPUs',
    meaning: 'A VM has more vCPUs than the host has CPUs: it works, and is slower than with as many as there are.',
  },
  SBX3109: {
    severity: 'warning',
    summary: 'Disks may outgrow the host',
    meaning:
      'Disks take space only as guests write. If the guests fill them, the new disks of the plan need more than is available.',
  },
  SBX3110: {
    severity: 'error',
    summary: 'Volume would be cut',
    meaning: 'A volume only grows: cutting it would lose what lies at its end.',
  },
  SBX3111: {
    severity: 'error',
    exit: 7,
    summary: 'Protected volume would be deleted',
    meaning:
      'A volume that is marked protect is deleted only by sbx destroy --purge, or after protect was set to false.',
  },
  SBX3112: {
    severity: 'error',
    summary: 'Not enough disk space',
    meaning: 'The copies of images that the plan makes need more space than is available where sbx keeps its disks.',
  },
  SBX3113: {
    severity: 'warning',
    summary: 'Known fault of the VMM',
    meaning:
      'The release of the VMM that the plan uses has a fault that is known upstream. Another release may do better.',
  },
  SBX3115: {
    severity: 'error',
    summary: 'Disk is smaller than its image',
    meaning: 'A root disk is a copy of the disk of its image and cannot be smaller.',
  },
  SBX3116: {
    severity: 'error',
    summary: 'Still in use',
    meaning: 'The file no longer declares what a VM goes on using, because its lifecycle ignores the change.',
  },
  SBX3119: {
    severity: 'error',
    summary: 'VM cannot be changed now',
    meaning:
      'The VM does not answer, but its guest is at work, or the host keeps its VMM from its work. It is not ended for that, and what it has now cannot be read.',
  },
  SBX3118: {
    severity: 'warning',
    summary: 'VMM could not be tried',
    meaning:
      'Whether the VMM of this sandbox can run here was not found out in time, as on a host under load. It stays the VMM of the sandbox, and is tried again with every plan.',
  },
  SBX3117: {
    severity: 'warning',
    summary: 'Image grows when it is unpacked',
    meaning: 'The disk of an image is a small file that becomes a large disk for every VM.',
  },
  SBX3120: {
    severity: 'error',
    summary: 'Image cannot be used',
    meaning: 'A file of the image is missing or cannot be read, or its recipe is unknown.',
  },
  SBX3121: {
    severity: 'error',
    summary: 'Something that only one can have is kept by another',
    meaning:
      'A VM would take an address, a port or a volume that another one goes on having, because its lifecycle ignores the change that would take it away.',
  },
  SBX3122: {
    severity: 'error',
    exit: 7,
    summary: 'Guests would reach the loopback of this host',
    meaning:
      "Without a network namespace each VM has the VMM's own user network, whose addresses lead to services on 127.0.0.1 of this host. A VM on a network of mode nat starts there only with --allow-host-loopback; isolated networks are closed.",
  },
  SBX3130: {
    severity: 'error',
    exit: 7,
    summary: 'Refused by prevent_destroy',
    meaning: 'The plan would remove or replace a VM whose lifecycle says prevent_destroy.',
  },
  SBX3131: {
    severity: 'warning',
    summary: 'Guest waits for room',
    meaning:
      'A guest wrote to a disk, the disk of the host was full, and the VMM holds the guest. Nothing is lost: make room and apply.',
  },
  SBX3132: {
    severity: 'error',
    summary: 'Guest is held',
    meaning:
      'A guest that its VMM holds since the disk of the host is full follows no change. Make room first, or stop the VM.',
  },
  SBX3140: {
    severity: 'error',
    summary: 'Unknown VM',
    meaning: 'The command names a VM that was not applied in this sandbox, or a name that several instances share.',
  },
  SBX3143: {
    severity: 'error',
    exit: 64,
    summary: 'Unknown address',
    meaning: 'An address given with --target or --replace is neither in the file nor among what was applied.',
  },
  SBX3142: {
    severity: 'error',
    summary: 'VM is not finished',
    meaning: 'start, stop and restart work on VMs that are whole. An earlier apply was cut short: apply again.',
  },
  SBX3141: {
    severity: 'error',
    summary: 'Nothing applied',
    meaning: 'The command needs a sandbox that was applied on this host in this home.',
  },
  SBX3144: {
    severity: 'warning',
    summary: 'Protected volume stays',
    meaning: 'A volume that is marked protect outlives sbx destroy, and its sandbox stays known until it goes as well.',
  },
  SBX3170: {
    severity: 'error',
    exit: 130,
    summary: 'Interrupted',
    meaning: 'Ctrl-C or another signal ended the apply. What runs was finished or undone, and the state is written.',
  },
  SBX3171: {
    severity: 'error',
    summary: 'Step took too long',
    meaning:
      'A step did not end within its time limit. The next plan shows what it left, and the next apply does it again.',
  },
  SBX3172: {
    severity: 'error',
    summary: 'Apply took too long',
    meaning: 'The time given with --timeout was over: running steps were ended, and nothing new was started.',
  },
} as const satisfies Record<string, CodeEntry>;
