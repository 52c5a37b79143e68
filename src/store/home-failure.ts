// One sentence for whatever keeps the home from being written: full or read-only disks, rights.
import { errnoOf, SbxError } from '../core/errors.ts';

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'Make room on that disk; sbx then goes on where it stopped.',
  EDQUOT: 'Make room within your quota; sbx then goes on where it stopped.',
  EROFS: 'The disk is mounted read-only. Choose another home with --home or SBX_HOME.',
  EACCES: 'Check who owns the folder, or choose another home with --home or SBX_HOME.',
  EPERM: 'Check who owns the folder, or choose another home with --home or SBX_HOME.',
};

/** SBX4008 for a failed write. `what` says what was to be done: `write the state /…`. */
export function homeError(what: string, cause: unknown): SbxError {
  const hint = hints[errnoOf(cause) ?? ''];
  return new SbxError('SBX4008', `cannot ${what}`, { cause, ...(hint === undefined ? {} : { hint }) });
}

/** The same, for `catch`. */
export function homeFailure(what: string): (cause: unknown) => never {
  return (cause) => {
    throw homeError(what, cause);
  };
}
