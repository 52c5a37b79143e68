// Which processes are ours: anybody may write anything on a command line, so a process that is found by its words is asked
// who runs it and what it holds open.
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Whether this user runs a process: its real user as well as its effective one. Somebody else's `su` has root's rights and
 * that other person's words, and /proc shows it as root's.
 */
export function isOwnProcess(pid: number): boolean {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    // Gone, or hidden from this user: not one that we could have to do with.
    return false;
  }
  const [, real, effective] = /^Uid:\s+(\d+)\s+(\d+)/m.exec(status) ?? [];
  const self = [process.getuid?.(), process.geteuid?.()].map(String);
  return real !== undefined && self.includes(real) && effective === self[1];
}

/**
 * Whether a process has a file open that lies in one of these folders, be it removed meanwhile: whatever we start has its log
 * open there, and nobody else may enter them. What this user started with more rights than its own may not be looked into:
 * that is told as true, since its user was asked before.
 */
export function holdsFileIn(pid: number, folders: readonly string[]): boolean {
  const roots = folders.map((folder) => `${realFolder(folder)}/`);
  const descriptors = `/proc/${pid}/fd`;
  try {
    return readdirSync(descriptors).some((fd) =>
      roots.some((root) => targetOf(join(descriptors, fd)).startsWith(root)),
    );
  } catch (error) {
    return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
  }
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch {
    // Closed meanwhile.
    return '';
  }
}

/** The folder as the kernel names it; what of it is gone stays as it was called. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there, or no longer: its parent may be.
    const parent = dirname(path);
    return parent === path ? path : join(realFolder(parent), basename(path));
  }
}
