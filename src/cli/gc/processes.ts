// Processes of sandboxes, found by what stands on their command lines: no state is asked.
import { basename } from 'node:path';
import type { ProcessRole } from '../../core/render/gc-model.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { commandLineOf, findProcesses } from '../../host/processes.ts';
import type { Home } from '../../store/home.ts';

/** A process that some sandbox of this home started. */
export interface SandboxProcess {
  readonly ref: ProcessRef;
  readonly role: ProcessRole;
  readonly program: string;
  /** Id of its sandbox, which holders have on their command line */
  readonly id?: string;
  /** Name of its sandbox's run folder, which the others have there */
  readonly mark?: string;
  /** Name of its VM's run folder */
  readonly vm?: string;
}

const vmm = /^(cloud-hypervisor|qemu-system-)/;
const uplink = /^(slirp4netns|pasta|passt)/;
const holderRoles: Readonly<Record<string, ProcessRole>> = { keep: 'keeper', held: 'keeper', watch: 'holder' };

/** Processes of this user that belong to sandboxes of a home. Reads all of /proc once. */
export function sandboxProcesses(home: Home): readonly SandboxProcess[] {
  const found: SandboxProcess[] = [];
  const words = new Map<string, Omit<SandboxProcess, 'ref'>>();
  const refs = findProcesses(
    (argv) => {
      const process = classify(argv, home);
      if (process !== undefined) words.set(argv.join('\0'), process);
      return process !== undefined;
    },
    [home.state, home.run],
  );
  for (const ref of refs) {
    const process = words.get(commandLineOf(ref.pid).join('\0'));
    if (process !== undefined) found.push({ ref, ...process });
  }
  return found;
}

/** What a command line says about the sandbox that it was started for. Exported for tests. */
export function classify(argv: readonly string[], home: Home): Omit<SandboxProcess, 'ref'> | undefined {
  const script = argv.findIndex((word) => basename(word) === 'holder.sh');
  const role = holderRoles[argv[script + 1] ?? ''];
  if (script >= 0 && role !== undefined) {
    const [, , home_, id = ''] = argv.slice(script);
    return home_ === home.state ? { role, program: 'holder.sh', id } : undefined;
  }
  // The program itself, or the one that an interpreter or nsenter was started with: never an editor on a log of ours.
  const program = argv
    .slice(0, 12)
    .map((word) => basename(word))
    .find((word) => vmm.test(word) || uplink.test(word));
  if (program === undefined) return undefined;
  const place = argv.map((word) => placeIn(word, home)).find((found) => found !== undefined);
  return place === undefined ? undefined : { role: vmm.test(program) ? 'VMM' : 'uplink', program, ...place };
}

/** The run folders that a word names; commas are doubled in option values of QEMU. */
function placeIn(word: string, home: Home): { readonly mark: string; readonly vm?: string } | undefined {
  for (const root of new Set([home.run, home.run.replaceAll(',', ',,')])) {
    const at = word.indexOf(`${root}/`);
    const match = at < 0 ? null : /^([0-9a-f]{10})\/(?:([0-9a-f]{8})\/)?/.exec(word.slice(at + root.length + 1));
    if (match?.[1] === undefined) continue;
    return { mark: match[1], ...(match[2] === undefined ? {} : { vm: match[2] }) };
  }
  return undefined;
}
