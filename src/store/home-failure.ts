// One sentence for whatever keeps the home from being written: full or read-only disks, rights.
import { errnoOf, SbxError } from '../core/errors.ts';

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'Make room on that disk; sbx then goes on where it stopped.',
  EDQUOT: 'Make room within your quota; sbx then goes on where it stopped.',
  EROFS: 'The disk is mounted read-only. Choose another home with --home or SBX_HOME.',
  EACCES: 'Check who owns the folder, or choose another home with --home or SBX_HOME.',
  EPERM: 'Check who owns the folder, or choose another home with --home or SBX_HOME.',
};

/** Turns a failed write into SBX4008, for `catch`. `what` says what was to be done: `write the state /…`. */
export function homeFailure(what: string): (cause: unknown) => never {
  return (cause) => {
    const hint = hints[errnoOf(cause) ?? ''];
    throw new SbxError('SBX4008', `cannot ${what}`, { cause, ...(hint === undefined ? {} : { hint }) });
  };
}
