// Whether this user can have a network namespace of their own, and what to do when not.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { describeError } from '../core/errors.ts';
import { tryRun } from './exec.ts';
import { findProgram, programPath } from './programs.ts';

export type NamespaceSupport =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly hint: string };

/** What sbx needs of a namespace: a bridge, and a tap that a VMM can open. */
const trial = 'link add sbxb0 type bridge\ntuntap add dev sbxt0 mode tap vnet_hdr user 0\n';

/** Whether this user can have namespaces of their own, tried by making one with a bridge and a tap in it. Costs some 20 ms. */
export async function namespaceSupport(): Promise<NamespaceSupport> {
  const guess = namespaceGuess();
  if (!guess.ok) return guess;
  const words = [programPath('unshare'), ...unshareFlags(process.geteuid?.() !== 0), '--'];
  try {
    const made = await tryRun([...words, programPath('ip'), '-batch', '-'], { input: trial, timeoutMs: 10_000 });
    if (made.code === 0) return { ok: true };
    const bare = await tryRun([...words, programPath('true')], { timeoutMs: 10_000 });
    if (bare.code !== 0) return refused(bare.stderr);
    return {
      ok: false,
      reason: `a network namespace can be made, but not a bridge and a tap in it: ${firstLine(made.stderr)}`,
      hint: 'Load the kernel modules bridge and tun:\nsudo modprobe -a bridge tun',
    };
  } catch (error) {
    return { ok: false, reason: describeError(error), hint: 'See what sbx doctor says of this host.' };
  }
}

/** The same by reading a few files only. Says no only where it is certain. */
function namespaceGuess(): NamespaceSupport {
  const found = [missingProgram(), process.geteuid?.() === 0 ? undefined : forbidden(), unusableTun()];
  return found.find((problem) => problem !== undefined) ?? { ok: true };
}

/** Words for unshare(1): a network namespace, a mount namespace that follows the host's, and for users a user namespace. */
export function unshareFlags(userns: boolean): readonly string[] {
  return [...(userns ? ['-U', '-r'] : []), '-n', '-m', '--propagation', 'slave'];
}

type Problem = Exclude<NamespaceSupport, { ok: true }>;

function missingProgram(): Problem | undefined {
  for (const [program, packageName] of [
    ['unshare', 'util-linux'],
    ['nsenter', 'util-linux'],
    ['ip', 'iproute2'],
  ] as const) {
    if (findProgram(program) === undefined)
      return { ok: false, reason: `the program ${program} is missing`, hint: `sudo apt-get install ${packageName}` };
  }
  return undefined;
}

/** The three settings with which distributions and administrators forbid user namespaces. */
function forbidden(): Problem | undefined {
  const settings = [
    { key: 'kernel.unprivileged_userns_clone', bad: '0', good: '1' },
    { key: 'user.max_user_namespaces', bad: '0', good: '15000' },
  ];
  for (const { key, bad, good } of settings) {
    if (sysctl(key) === bad)
      return {
        ok: false,
        reason: `this host forbids user namespaces to ordinary users (${key} is ${bad})`,
        hint: `sudo sysctl -w ${key}=${good}`,
      };
  }
  return undefined;
}

function unusableTun(): Problem | undefined {
  const path = '/dev/net/tun';
  if (!existsSync(path)) return { ok: false, reason: `${path} does not exist`, hint: 'sudo modprobe tun' };
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return { ok: false, reason: `this user may not open ${path}`, hint: `sudo chmod 0666 ${path}` };
  }
}

function refused(stderr: string): Problem {
  const reason = `this host does not let this user make a network namespace: ${firstLine(stderr)}`;
  // Ubuntu 23.10 and later let unshare(1) succeed and take the capabilities away, unless the program has a profile.
  const restricted = sysctl('kernel.apparmor_restrict_unprivileged_userns') === '1';
  const hint = restricted
    ? 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
    : 'Inside a container, give it the rights to make namespaces, or run sbx on the host.';
  return { ok: false, reason, hint };
}

function sysctl(key: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    // Not a setting of this kernel.
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
