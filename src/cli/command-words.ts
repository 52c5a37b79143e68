// This process as others may read it: who holds a lock, with which command.
import { userInfo } from 'node:os';

/** Words of a command line without the values of variables, which may be secret. At most 200 characters. */
export function commandWords(argv: readonly string[]): string {
  const words = argv.map((word, at) => {
    if (argv[at - 1] === '--var') return withoutValue(word);
    return word.startsWith('--var=') ? `--var=${withoutValue(word.slice('--var='.length))}` : word;
  });
  return `sbx ${words.join(' ')}`.slice(0, 200);
}

const changing = new Set(['apply', 'destroy', 'start', 'stop', 'restart', 'gc']);

/** The command that changes something, for the journal; nothing else of a command line is written down. */
export function commandName(argv: readonly string[]): string {
  return argv.find((word) => changing.has(word)) ?? '';
}

function withoutValue(assignment: string): string {
  const at = assignment.indexOf('=');
  return at === -1 ? assignment : `${assignment.slice(0, at)}=…`;
}

/** Name of the user who runs this process; users that no database knows have a number only. */
export function userWords(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.geteuid?.() ?? '?'}`;
  }
}
