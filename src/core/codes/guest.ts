// Codes SBX8xxx: reaching into a guest.
import type { CodeEntry } from './entry.ts';

export const guestCodes = {
  SBX8001: {
    severity: 'error',
    summary: 'Guest does not answer',
    meaning: 'Neither ssh nor the guest agent answered in time, or the guest does not let sbx in.',
  },
  SBX8002: {
    severity: 'error',
    summary: 'Guest agent refused',
    meaning:
      'The guest agent answered with an error, with nonsense, or closed the connection in the middle of a request.',
  },
  SBX8003: {
    severity: 'error',
    summary: 'Guest command took too long',
    meaning: 'A command inside the guest did not end in time and was killed there.',
  },
  SBX8004: {
    severity: 'error',
    summary: 'Guest is not ready',
    meaning: 'A VM runs but did not become ready in time. The detail says what was last seen; see also its log.',
  },
  SBX8005: {
    severity: 'error',
    summary: 'Copy failed',
    meaning:
      'Files could not be copied into or out of a guest, or an archive from a guest holds names that lead outside.',
  },
  SBX8010: {
    severity: 'error',
    summary: 'Sensitive value is missing',
    meaning: 'A VM is to be started with a sensitive value that sbx keeps nowhere. Give the variable again.',
  },
  SBX8011: {
    severity: 'error',
    summary: 'Guest does not follow',
    meaning:
      'The VMM changed the VM, and the guest did not take it up in time. Its kernel or image may lack what that needs.',
  },
  SBX8012: {
    severity: 'error',
    summary: 'No log yet',
    meaning: 'The VM was never started since it was made, or its folder is gone.',
  },
  SBX8013: {
    severity: 'error',
    summary: 'Guest kernel panicked',
    meaning:
      "The guest's kernel gave up while the VM was waited for. The detail has the kernel's words and the last lines of its console; a wrong root disk, a missing initrd or too little memory are common causes.",
  },
  SBX8014: {
    severity: 'error',
    summary: 'Connection to the guest broke',
    meaning: 'The command was running in the guest when the connection ended, so that its own end is not known.',
  },
  SBX8015: {
    severity: 'error',
    summary: 'VM does not run',
    meaning: 'Nobody in the VM can answer: it is off, or paused. The hint says how to start it.',
  },
} as const satisfies Record<string, CodeEntry>;
