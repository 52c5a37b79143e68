// Codes SBX1xxx: reading a file, its syntax and its schema.
import type { CodeEntry } from './entry.ts';

export const fileCodes = {
  SBX1001: {
    severity: 'error',
    summary: 'Cannot read file',
    meaning: 'The file is missing, not a regular file, too large, or not readable by this user.',
  },
  SBX1002: {
    severity: 'error',
    summary: 'No sandbox file',
    meaning: 'There is no sbx.yaml in this folder or a folder above it. Make one with sbx init, or name one with -f.',
  },
  SBX1003: {
    severity: 'error',
    summary: 'File is too large',
    meaning: 'Sandbox files are limited in size, so that no file can make sbx slow or run out of memory.',
  },
  SBX1004: {
    severity: 'error',
    exit: 7,
    summary: 'Path outside the allowed folders',
    meaning:
      'A sandbox file may name files in its own folder or below, links resolved, and no link takes a file named on the command line out of where it was named. Allow another folder with --allow-path.',
  },
  SBX1005: {
    severity: 'error',
    summary: 'Text is not UTF-8',
    meaning: 'Sandbox files are text in UTF-8, without control characters.',
  },
  SBX1006: {
    severity: 'error',
    exit: 1,
    summary: 'Cannot read from git',
    meaning:
      'A file is part of the revision, and the repository does not hold it: it is a partial clone, is damaged, or the file lies in a submodule. sbx fetches nothing by itself.',
  },
  SBX1101: { severity: 'error', summary: 'Invalid YAML', meaning: 'The text breaks the rules of YAML 1.2.' },
  SBX1102: {
    severity: 'error',
    summary: 'Duplicate key',
    meaning: 'A map holds the same key twice; one of them would be lost.',
  },
  SBX1103: {
    severity: 'error',
    summary: 'Unquoted reference',
    meaning: 'Between { } or [ ] a reference must stand in quotes, since YAML itself gives braces a meaning there.',
  },
  SBX1104: {
    severity: 'error',
    summary: 'Tab in indentation',
    meaning: 'YAML indents with spaces; a tab has no width that programs agree on.',
  },
  SBX1105: {
    severity: 'error',
    summary: 'File is too complex',
    meaning:
      'Nesting, aliases and their expansion are limited, so that no file can make sbx slow or run out of memory.',
  },
  SBX1106: {
    severity: 'error',
    summary: 'Unsupported YAML',
    meaning:
      'Directives, several documents in one file, keys that are not text, and tags of other programs are not read.',
  },
  SBX1201: {
    severity: 'error',
    summary: 'Unknown key',
    meaning: 'sbx does not know this key here. Keys of your own begin with x-.',
  },
  SBX1202: { severity: 'error', summary: 'Missing key', meaning: 'A key that is needed here is not given.' },
  SBX1203: { severity: 'error', summary: 'Wrong type', meaning: 'The value is of another type than the key takes.' },
  SBX1204: { severity: 'error', summary: 'Invalid value', meaning: 'The value is not one that the key takes.' },
  SBX1205: {
    severity: 'error',
    summary: 'Invalid name',
    meaning: 'Names become parts of addresses, host names and file names, so only a few characters are allowed.',
  },
  SBX1206: {
    severity: 'error',
    summary: 'Too many errors',
    meaning: 'Only the first errors are shown. Correct them and try again.',
  },
} as const satisfies Record<string, CodeEntry>;
