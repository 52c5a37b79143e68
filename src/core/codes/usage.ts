// Codes SBX0xxx: how sbx was called.
import type { CodeEntry } from './entry.ts';

export const usageCodes = {
  SBX0001: {
    severity: 'error',
    summary: 'Wrong usage',
    meaning: 'The command line has an unknown command, option or value. See sbx --help.',
  },
  SBX0002: {
    severity: 'error',
    summary: 'Approval needed',
    meaning:
      'Changes need a yes. Without a terminal nobody can be asked: approve beforehand with --auto-approve, or apply a saved plan.',
  },
  SBX0003: {
    severity: 'error',
    exit: 7,
    summary: 'Impact is higher than allowed',
    meaning: 'The plan costs more than --max-impact allows. Nothing was changed.',
  },
  SBX0004: {
    severity: 'error',
    exit: 1,
    summary: 'File is already there',
    meaning: 'sbx init does not write over a file. Remove it first, or name another one with -f.',
  },
  SBX0005: {
    severity: 'error',
    exit: 1,
    summary: 'No such output',
    meaning: 'The sandbox file declares no output of this name.',
  },
  SBX0006: {
    severity: 'error',
    exit: 1,
    summary: 'File cannot be written',
    meaning: 'A file that the command line names cannot be written: its folder is missing, or is not yours to write.',
  },
  SBX0007: {
    severity: 'error',
    exit: 1,
    summary: 'Output is not whole',
    meaning:
      'Standard output could not be written, on a full disk for example. The command itself did what it does; what it printed is cut off.',
  },
  SBX0008: {
    severity: 'error',
    exit: 1,
    summary: 'Working folder is gone',
    meaning: 'The folder that sbx was called in was removed meanwhile: files and paths cannot be found from there.',
  },
} as const satisfies Record<string, CodeEntry>;
