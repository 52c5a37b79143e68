// Codes SBX5xxx: talking to a VMM.
import type { CodeEntry } from './entry.ts';

export const vmmCodes = {
  SBX5001: {
    severity: 'error',
    summary: 'VMM did not start',
    meaning: 'The VMM process ended or its socket did not appear. The log of the VM says why.',
  },
  SBX5002: {
    severity: 'error',
    summary: 'VMM refused a request',
    meaning:
      'The VMM answered a request with an error; its own words follow. Nothing was changed by the refused request.',
  },
  SBX5003: {
    severity: 'error',
    summary: 'VMM does not answer',
    meaning:
      'The VMM runs, or seemed to, but its socket gave no complete answer in time. Plan again: it reads what has become of the request.',
  },
  SBX5004: {
    severity: 'error',
    summary: 'VM runs already',
    meaning: 'A VMM with the socket of this VM is running, so that a second one was not started. Plan again.',
  },
  SBX5005: {
    severity: 'error',
    summary: 'Guest did not follow a resize',
    meaning:
      'The VMM accepted a new size, but the guest has not given or taken all of it within the time. It may lack the driver, or use the memory.',
  },
  SBX5006: {
    severity: 'error',
    summary: 'Guest keeps a device',
    meaning:
      'The guest was asked to release a device and has not done so within the time. Unmount it in the guest and apply again.',
  },
  SBX5007: {
    severity: 'error',
    summary: 'VMM cannot do this',
    meaning:
      'This VMM, or the way this VM was started, cannot do what was asked while the VM runs. A restart of the VM can.',
  },
  SBX5008: {
    severity: 'error',
    summary: 'Socket path too long',
    meaning: 'Unix sockets have paths of at most 107 bytes. Use a shorter home folder: set SBX_HOME.',
  },
  SBX5009: {
    severity: 'error',
    summary: 'Console not available',
    meaning: 'The VM has no interactive console, or it cannot be opened by this user.',
  },
  SBX5010: {
    severity: 'error',
    summary: 'Disk is not what it is given as',
    meaning:
      'A raw disk begins like an image of another kind, which its guest wrote, and this VMM would open it as that: such an image can name any file of the host.',
  },
  SBX5011: {
    severity: 'error',
    summary: 'Guest is held again',
    meaning:
      'A guest whose write had failed for want of room was let go on, and its write failed again. Make more room and apply.',
  },
} as const satisfies Record<string, CodeEntry>;
