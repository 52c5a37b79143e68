// The command line of a VMM process and the names of the files in its folders. Pure.
import type { VmPaths } from '../driver.ts';

/** Files of one VM. Unix socket paths hold at most 107 bytes, so their names are short. */
export interface VmFiles {
  readonly apiSocket: string;
  /** Lock file that v53 and later keep beside the API socket */
  readonly apiLock: string;
  readonly vsockSocket: string;
  /** There from before a process is spawned until its end was seen: without it no process needs to be looked for */
  readonly intent: string;
  readonly serialLog: string;
  readonly vmmLog: string;
  readonly eventsLog: string;
}

/** Path of the API socket alone: all that observing a VM that runs needs. */
export function apiSocketOf(paths: VmPaths): string {
  return `${paths.run}/api.sock`;
}

/** Names of the files of a VM. */
export function filesOf(paths: VmPaths): VmFiles {
  return {
    apiSocket: apiSocketOf(paths),
    apiLock: `${paths.run}/api.sock.lock`,
    vsockSocket: `${paths.run}/vsock.sock`,
    intent: `${paths.run}/vmm.started`,
    serialLog: `${paths.data}/serial.log`,
    vmmLog: `${paths.data}/vmm.log`,
    eventsLog: `${paths.data}/events.log`,
  };
}

/**
 * Command line of a VMM that serves its API and nothing else. Option and value are separate words, which the argument
 * parsers of all releases take (argh up to v35, clap since v36). No --log-file: it would truncate, stderr goes to the log.
 * No --no-shutdown: the end of the process is how a guest's own power-off is seen. Source: cloud-hypervisor --help.
 */
export function vmmArgv(binary: string, files: VmFiles): readonly string[] {
  return [binary, '--api-socket', `path=${files.apiSocket}`, '--event-monitor', `path=${files.eventsLog}`];
}

/** Whether a command line is that of the VMM with this API socket, or of a program about to become it. */
export function servesSocket(argv: readonly string[], apiSocket: string): boolean {
  return argv.some((word, at) => word === '--api-socket' && argv[at + 1] === `path=${apiSocket}`);
}
