// The last guard before the sockets of a VM are removed: a VMM that is not seen from here may serve them.
import { existsSync } from 'node:fs';
import { SbxError } from '../core/errors.ts';
import { isListening } from '../host/listening.ts';

/** Throws SBX6008 when somebody listens on a VMM's socket, though all processes that are known of have ended. */
export async function mustBeUnserved(socketPath: string): Promise<void> {
  if (!existsSync(socketPath) || !(await isListening(socketPath))) return;
  throw new SbxError('SBX6008', `Something answers on ${socketPath}, and its process cannot be seen from here.`, {
    hint: 'It may be in another pid namespace, such as that of a container: run sbx where the sandbox was applied.',
  });
}
