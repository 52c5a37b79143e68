// Codes SBX4xxx: state, journal, lock and home.
import type { CodeEntry } from './entry.ts';

export const stateCodes = {
  SBX4001: {
    severity: 'error',
    exit: 4,
    summary: 'Sandbox is locked',
    meaning: 'Another sbx is working on this sandbox. Wait for it or use --lock-timeout.',
  },
  SBX4002: {
    severity: 'error',
    summary: 'State is damaged',
    meaning:
      'The state file is truncated, was edited by hand, or cannot be read. Nothing was changed. Put back one of the backups that the message names, or mend the file.',
  },
  SBX4003: {
    severity: 'error',
    summary: 'State is from a newer sbx',
    meaning: 'The state file or journal has a format that this version does not know. Use the newer sbx.',
  },
  SBX4004: {
    severity: 'error',
    summary: 'Journal is damaged',
    meaning:
      'A line of the journal of an unfinished apply cannot be read, and it is not the torn last one that a crash leaves. Nothing was changed.',
  },
  SBX4005: {
    severity: 'error',
    summary: 'Journal does not belong to the state',
    meaning:
      'The journal of an unfinished apply builds on another state file than the one that is there, since one of them was replaced, put back or removed by hand.',
  },
  SBX4006: {
    severity: 'error',
    exit: 7,
    summary: 'Sandbox belongs to another folder',
    meaning:
      'A sandbox of this name was applied from another folder. Use --instance to run a copy of your own, or --take-over to make it yours.',
  },
  SBX4007: {
    severity: 'error',
    summary: 'Home path is too long',
    meaning: 'Unix sockets have short paths. Use a shorter folder with --home or SBX_HOME.',
  },
  SBX4008: {
    severity: 'error',
    summary: 'Home cannot be written',
    meaning: 'The home is on a full or read-only disk, or belongs to another user.',
  },
  SBX4009: {
    severity: 'error',
    summary: 'Bad sandbox name',
    meaning: 'A name of a sandbox or an instance is not one that may become part of a path.',
  },
  SBX4010: {
    severity: 'error',
    summary: 'Host port is reserved',
    meaning: 'Another sandbox of this home publishes the same port of the host.',
  },
  SBX4011: {
    severity: 'warning',
    summary: 'Host file is damaged',
    meaning:
      'host.json of the home, which holds reserved ports, cannot be read. The states of the home tell the ports instead, and it is written anew.',
  },
  SBX4012: {
    severity: 'error',
    summary: 'Home path cannot be used',
    meaning:
      'The path of the home stands in options of VMMs and of ssh, which would read a comma, a quote, a bracket or a variable in it as something else.',
  },
  SBX4020: {
    severity: 'error',
    summary: 'Cannot read saved plan',
    meaning: 'The file is missing, truncated, or not a plan that sbx plan -o wrote.',
  },
  SBX4021: {
    severity: 'error',
    summary: 'Saved plan was changed',
    meaning: 'The plan file is not as sbx wrote it. Plan again.',
  },
  SBX4022: {
    severity: 'error',
    summary: 'Saved plan is from another home',
    meaning: 'A plan is valid for the home that it was made in. Plan again here.',
  },
  SBX4023: {
    severity: 'error',
    summary: 'Saved plan is from a newer sbx',
    meaning: 'The plan file has a format that this version does not know. Plan again.',
  },
  SBX4024: {
    severity: 'error',
    summary: 'Key of the home is damaged',
    meaning:
      'The file "key" of the home does not hold 32 bytes. Without it saved plans are void and sensitive values count as changed; delete it to get a new one.',
  },
  SBX4030: {
    severity: 'warning',
    summary: 'File not used',
    meaning:
      'The sandbox file cannot be read, and the command does not need it: it went by the one sandbox that was applied from this folder.',
  },
  SBX4031: {
    severity: 'error',
    exit: 64,
    summary: 'Sandbox not named',
    meaning:
      'The sandbox file cannot be read, and not exactly one sandbox was applied from this folder. Name the one that is meant with --sandbox.',
  },
  SBX4032: {
    severity: 'warning',
    summary: 'Renamed sandbox is still there',
    meaning:
      'A sandbox is kept under its name: with another name the same file makes another sandbox, and the one before goes on until it is destroyed.',
  },
  SBX4033: {
    severity: 'warning',
    summary: 'Sensitive output not known',
    meaning:
      'The value of a sensitive output is kept nowhere. It comes from the file again, for which its variables have to be given.',
  },
} as const satisfies Record<string, CodeEntry>;
