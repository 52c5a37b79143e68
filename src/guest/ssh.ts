// Command lines of ssh(1) into a guest. Pure. Nothing of the user's own ssh set-up is read: the guest is known by the key
// that sbx made for it, and by nothing else.

/** How to reach a guest by ssh. */
export interface SshTarget {
  /** Turns a command into one that runs where the guest's address is reachable: inside the sandbox's namespace */
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly ip: string;
  /** Default 22 */
  readonly port?: number;
  /** Private key of the sandbox's user */
  readonly keyPath: string;
  readonly knownHostsPath: string;
  /** Default root */
  readonly user?: string;
}

/** Name under which a sandbox's host key stands in its known_hosts, whatever address the guest has. */
export const hostAlias = 'sbx-guest';

/** Content of the known_hosts file for a host key as `makeHostKey` gives it. */
export function knownHosts(publicLine: string): string {
  return `${hostAlias} ${publicLine}\n`;
}

/** Options that every ssh of ours has, as they stand behind `-o`. */
export function sshOptions(target: Pick<SshTarget, 'keyPath' | 'knownHostsPath'>): readonly string[] {
  return [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile=${escapedPath(target.keyPath)}`,
    'PreferredAuthentications=publickey',
    'StrictHostKeyChecking=yes',
    `HostKeyAlias=${hostAlias}`,
    'HostKeyAlgorithms=ssh-ed25519',
    `UserKnownHostsFile=${escapedPath(target.knownHostsPath)}`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'CheckHostIP=no',
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'ControlPath=none',
    'ConnectTimeout=10',
    'ServerAliveInterval=15',
    'LogLevel=ERROR',
  ];
}

/**
 * Runs a command in a guest, or a login shell without one. `tty` asks for a terminal. Words of the command reach the guest
 * one by one, whatever they hold.
 */
export function sshArgv(
  target: SshTarget,
  options: { readonly command?: readonly string[]; readonly tty?: boolean } = {},
): readonly string[] {
  const words = options.command ?? [];
  return target.enter([
    'ssh',
    '-F',
    '/dev/null',
    ...sshOptions(target).flatMap((option) => ['-o', option]),
    ...(options.tty === true ? ['-tt'] : ['-T']),
    '-p',
    String(target.port ?? 22),
    '-l',
    target.user ?? 'root',
    '--',
    target.ip,
    ...(words.length === 0 ? [] : [words.map(shellWord).join(' ')]),
  ]);
}

/** A word for the guest's POSIX shell that stands for exactly this text: sshd hands its command to one. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Paths in ssh options know blanks, quotes and %-tokens. */
function escapedPath(path: string): string {
  return `"${path.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
