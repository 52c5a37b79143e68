// QEMU processes: found by the socket on their command line, with the files that they leave behind.
import { existsSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { readLogEnd } from '../../host/log-end.ts';
import { clearPlace } from '../../host/own-files.ts';
import { holdsFileIn, isOwnProcess } from '../../host/own-process.ts';
import { commandLineOf, findProcesses, isAlive, refOf } from '../../host/processes.ts';
import type { VmPaths, VmRef } from '../driver.ts';
import { mustBeUnserved } from '../unseen.ts';
import { qemuFiles, qmpWord } from './layout.ts';

/** One reading of /proc serves all VMs that are looked for within this many `ms`: those of one burst. */
const tableAgeMs = 20;

let table: { readonly atMs: number; readonly processes: ReadonlyMap<string, readonly ProcessRef[]> } | undefined;

/** The running process of a VM: the recorded one, or the one whose command line names exactly this VM's socket. */
export function processOf(ref: VmRef): ProcessRef | undefined {
  if (ref.process !== undefined && isAlive(ref.process)) return ref.process;
  return processByPidFile(ref.paths) ?? processByTable(ref.paths);
}

/** Whether files tell of a process that had no time to remove them. */
export function hasLeftovers(paths: VmPaths): boolean {
  const files = qemuFiles(paths);
  return existsSync(files.pid) || existsSync(files.qmp);
}

/** Removes what a killed process leaves. */
export async function removeLeftovers(paths: VmPaths): Promise<void> {
  const { qmp, agent, serial, pid } = qemuFiles(paths);
  await mustBeUnserved(qmp);
  await Promise.all([qmp, agent, serial, pid].map(clearPlace));
}

/** Last line that QEMU wrote to its standard error after `from` bytes, without time stamp and program name; no warning. */
export async function lastWords(paths: VmPaths, from = 0): Promise<string | undefined> {
  const lines = (await readLogEnd(qemuFiles(paths).vmmLog, 4096, from)).split('\n').map(withoutPrefix);
  return lines.findLast((line) => line !== '' && !/^(warning|info):/.test(line));
}

function withoutPrefix(line: string): string {
  return line
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, '')
    .replace(/^qemu[\w-]*: /, '')
    .replace(/[\u0000-\u001f\u007f]/g, ' ')
    .trim();
}

function processByPidFile(paths: VmPaths): ProcessRef | undefined {
  let text: string;
  try {
    text = readFileSync(qemuFiles(paths).pid, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const pid = Number(text.trim());
  // The pid of a dead process may be anybody's by now.
  if (!Number.isInteger(pid) || pid <= 0 || !commandLineOf(pid).includes(qmpWord(paths))) return undefined;
  return isOwnProcess(pid) ? refOf(pid) : undefined;
}

/** For a run folder that was emptied under a living process. */
function processByTable(paths: VmPaths): ProcessRef | undefined {
  if (table === undefined || performance.now() - table.atMs > tableAgeMs) {
    const processes = readTable();
    table = { atMs: performance.now(), processes };
  }
  const found = table.processes.get(qmpWord(paths)) ?? [];
  return found.find((ref) => isAlive(ref) && holdsFileIn(ref.pid, [paths.run, paths.data]));
}

function readTable(): ReadonlyMap<string, readonly ProcessRef[]> {
  const found = new Map<string, ProcessRef[]>();
  for (const ref of findProcesses((argv) => argv.some(isQmpWord)))
    for (const word of commandLineOf(ref.pid).filter(isQmpWord)) found.set(word, [...(found.get(word) ?? []), ref]);
  return found;
}

function isQmpWord(word: string): boolean {
  return word.startsWith('socket,id=qmp,path=');
}
