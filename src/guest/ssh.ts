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
    'ServerAliveInterval=15',
  ];
}

/**
 * What the shell of the guest runs for a command. It waits for it and ends with its code, or with 128 and the number of the signal
 * that ended it: ssh itself gives 255 for every signal. A Ctrl-C on the command's terminal is the command's, not this shell's.
 */
const waitsForCommand = `trap : INT QUIT; "$@"; exit $?`;

/** How ssh is run. */
export interface SshOptions {
  /** A login shell when there is none */
  readonly command?: readonly string[];
  /** Whether the command gets a terminal */
  readonly tty?: boolean;
  /** File that ssh writes what it does into, for `readSshEnd`; without it, errors of ssh's own stand on standard error */
  readonly logPath?: string;
  /** Longest wait for a connection in `ms`; default 10 s */
  readonly connectMs?: number;
}

/**
 * Runs a command in a guest, or a login shell without one. `tty` asks for a terminal. Words of the command reach the guest
 * one by one, whatever they hold.
 */
export function sshArgv(target: SshTarget, options: SshOptions = {}): readonly string[] {
  const words = options.command ?? [];
  const { logPath, connectMs = 10_000 } = options;
  const more = [
    `ConnectTimeout=${Math.max(1, Math.ceil(connectMs / 1000))}`,
    `LogLevel=${logPath === undefined ? 'ERROR' : 'DEBUG1'}`,
  ];
  return target.enter([
    'ssh',
    '-F',
    '/dev/null',
    ...[...sshOptions(target), ...more].flatMap((option) => ['-o', option]),
    ...(logPath === undefined ? [] : ['-E', logPath]),
    ...(options.tty === true ? ['-tt'] : ['-T']),
    '-p',
    String(target.port ?? 22),
    '-l',
    target.user ?? 'root',
    '--',
    target.ip,
    ...(words.length === 0 ? [] : [remoteLine(words)]),
  ]);
}

function remoteLine(words: readonly string[]): string {
  return `exec sh -c ${shellWord(waitsForCommand)} sbx ${words.map(shellWord).join(' ')}`;
}

/** A word for the guest's POSIX shell that stands for exactly this text: sshd hands its command to one. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Paths in ssh options know blanks, quotes and %-tokens. */
function escapedPath(path: string): string {
  return `"${path.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
