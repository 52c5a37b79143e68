// The table of performers: every step that a plan can hold, and who does it.
import type { Performers } from '../engine/provider.ts';
import { imagePerformers } from './image/provider.ts';
import { networkPerformers } from './network/provider.ts';
import { sandboxPerformers } from './sandbox/provider.ts';
import type { Shell } from './shell.ts';
import { vmPerformers } from './vm/provider.ts';
import { volumePerformers } from './volume/provider.ts';

/** All performers over one shell. */
export function performersOf(shell: Shell): Performers {
  return {
    ...sandboxPerformers(shell),
    ...imagePerformers(shell),
    ...volumePerformers(shell),
    ...networkPerformers(),
    ...vmPerformers(shell),
    // The journal has it already: the record is all that changes.
    record: async () => undefined,
  };
}
