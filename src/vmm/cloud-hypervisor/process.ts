// The VMM's process and its leftovers: found by its exact socket path, ended, cleaned up after.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ProcessRef } from '../../core/state/facts.ts';
import { clearPlace } from '../../host/own-files.ts';
import { isOwnProcess } from '../../host/own-process.ts';
import { commandLineOf, endProcess, findProcesses, isAlive, refOf } from '../../host/processes.ts';
import type { VmRef } from '../driver.ts';
import { mustBeUnserved } from '../unseen.ts';
import { filesOf, servesSocket, type VmFiles } from './argv.ts';

/**
 * The running process of a VM: the recorded one, or after a crash the one with its exact socket path in /proc. All of /proc
 * is read only when the folder says that a process was spawned.
 */
export function findProcess(ref: VmRef): ProcessRef | undefined {
  if (isAlive(ref.process)) return ref.process;
  const files = filesOf(ref.paths);
  if (!existsSync(files.intent) && !existsSync(files.apiSocket)) return undefined;
  return findServing(files)[0];
}

/** Every process of ours with this API socket on its command line, the VMM itself before wrappers that wait for it. */
export function findServing(files: VmFiles): readonly ProcessRef[] {
  const folders = [dirname(files.apiSocket), dirname(files.vmmLog)];
  const found = findProcesses((argv) => servesSocket(argv, files.apiSocket), folders);
  return found.toSorted((a, b) => wrapping(a) - wrapping(b));
}

/** How many words stand before `--api-socket`: the VMM has the fewest. */
function wrapping(process: ProcessRef): number {
  return commandLineOf(process.pid).indexOf('--api-socket');
}

/** The VMM behind a spawned command: that process itself, or the one that the VMM names when a wrapper forked. */
export function processBehind(spawned: ProcessRef, vmmPid: number | undefined, files: VmFiles): ProcessRef {
  const named = vmmPid === undefined || vmmPid === spawned.pid ? undefined : refOf(vmmPid);
  // In a pid namespace of its own the VMM names another number: the command line tells.
  if (named === undefined || !isOwnProcess(named.pid)) return spawned;
  if (servesSocket(commandLineOf(named.pid), files.apiSocket)) return named;
  return spawned;
}

/** Ends the processes given and whatever else serves the socket, then removes what they left. */
export async function endAndClean(
  files: VmFiles,
  known: readonly (ProcessRef | undefined)[],
  options: { readonly search: boolean },
): Promise<void> {
  for (const process of known) await endProcess(process);
  // A child of the VMM with its words, such as the one that follows the size of a terminal, is found when its parent is gone.
  for (let found = options.search ? findServing(files) : []; found.length > 0; found = findServing(files))
    for (const process of found) await endProcess(process);
  await removeLeftovers(files);
}

/** Removes sockets and marks. Only when no process is left: a live VMM's socket is its one door. */
export async function removeLeftovers(files: VmFiles): Promise<void> {
  await mustBeUnserved(files.apiSocket);
  const paths = [files.apiSocket, files.apiLock, files.vsockSocket, files.intent];
  await Promise.all(paths.map(clearPlace));
}
