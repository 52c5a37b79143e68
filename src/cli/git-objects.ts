// Objects of a git repository that is not trusted: git is run so that nothing of the repository's is run by it.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { SbxError } from '../core/errors.ts';
import { type RunResult, tryRun } from '../host/exec.ts';

/** A repository, and a git to read it with. */
export interface Git {
  /** Absolute path of git */
  readonly program: string;
  readonly gitDir: string;
  /** A folder without programs; it need not be there */
  readonly noPrograms: string;
}

/** An object as `git cat-file` gives it. */
export interface GitObject {
  readonly type: 'commit' | 'tree' | 'blob' | 'tag';
  readonly content: Buffer;
}

/** Why an object was not given. */
export type Unread = { readonly unread: 'missing' } | { readonly unread: 'too large'; readonly size: number };

/** Reads objects one after another, by their names. */
export interface ObjectReader {
  /** The object of a full hex name, when its content is not over `mostBytes`. Throws SBX6001 when git ends. */
  readonly read: (name: string, mostBytes: number) => Promise<GitObject | Unread>;
  readonly close: () => void;
}

const limitMs = 60_000;

// What a repository's own configuration could ask for on the way to an object. The command line is stronger than that file.
const settings = [
  'safe.bareRepository=explicit',
  'protocol.allow=never',
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.sshCommand=false',
  'core.attributesFile=/dev/null',
  'core.commitGraph=false',
  'core.bigFileThreshold=1m',
].flatMap((each) => ['-c', each]);

/**
 * The whole environment of git. Without a PATH and with an exec path that leads nowhere git can start no other git, so that
 * no object is ever fetched: the variables that forbid it are younger than the git of some distributions, and the
 * configuration of a repository overrides `protocol.allow`.
 */
function environmentOf({ gitDir, noPrograms }: Git): Readonly<Record<string, string>> {
  return {
    PATH: noPrograms,
    GIT_EXEC_PATH: noPrograms,
    GIT_DIR: gitDir,
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: '',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_GRAFT_FILE: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    // Objects that unpack to more than this are bombs.
    GIT_ALLOC_LIMIT: '1g',
    LC_ALL: 'C',
  };
}

/** Runs git to its end. Throws SBX6001 when it cannot be started or takes too long. */
export async function runGit(git: Git, args: readonly string[]): Promise<RunResult> {
  return await tryRun([git.program, '--no-pager', ...settings, ...args], {
    env: environmentOf(git),
    cwd: '/',
    timeoutMs: limitMs,
  });
}

/** Starts reading; `close` when done. All of it together takes at most a minute. */
export function openObjects(git: Git): ObjectReader {
  const sizes = catFile(git, '--batch-check');
  const contents = catFile(git, '--batch');
  return {
    read: async (name, mostBytes) => {
      const known = parseHeader(await sizes.ask(name));
      if (known === undefined) return { unread: 'missing' };
      if (known.size > mostBytes) return { unread: 'too large', size: known.size };
      const found = parseHeader(await contents.ask(name));
      if (found === undefined || found.size !== known.size) return { unread: 'missing' };
      const content = await contents.take(found.size);
      await contents.take(1);
      return { type: found.type, content };
    },
    close: () => {
      sizes.close();
      contents.close();
    },
  };
}

function parseHeader(line: string): { readonly type: GitObject['type']; readonly size: number } | undefined {
  const found = /^[0-9a-f]{40,64} (commit|tree|blob|tag) (\d{1,15})$/.exec(line);
  return found === null ? undefined : { type: found[1] as GitObject['type'], size: Number(found[2]) };
}

/** One `git cat-file`: a line goes in, a line comes out, with bytes after it. */
interface CatFile {
  readonly ask: (name: string) => Promise<string>;
  readonly take: (bytes: number) => Promise<Buffer>;
  readonly close: () => void;
}

const longestLine = 256;

function catFile(git: Git, mode: '--batch' | '--batch-check'): CatFile {
  const child = spawn(git.program, ['--no-pager', ...settings, 'cat-file', mode], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: environmentOf(git),
    cwd: '/',
    timeout: limitMs,
    killSignal: 'SIGKILL',
  }) as ChildProcessByStdio<Writable, Readable, null>;
  let failure: unknown;
  child.on('error', (error) => {
    failure = error;
  });
  // A git that ends closes its input; that it ended is told by its output.
  child.stdin.on('error', () => undefined);
  const chunks = child.stdout[Symbol.asyncIterator]();
  let left: Buffer = Buffer.alloc(0);
  const more = async (): Promise<Buffer> => {
    const next = await chunks.next();
    if (next.done === true)
      throw new SbxError('SBX6001', `git cat-file ended before it answered, or took over ${limitMs / 1000} s`, {
        cause: failure,
      });
    return next.value as Buffer;
  };
  return {
    ask: async (name) => {
      child.stdin.write(`${name}\n`);
      while (!left.includes(10)) {
        left = Buffer.concat([left, await more()]);
        if (left.length > longestLine && !left.subarray(0, longestLine).includes(10)) break;
      }
      const end = left.indexOf(10);
      const line = left.subarray(0, end).toString('latin1');
      left = left.subarray(end + 1);
      return line;
    },
    take: async (bytes) => {
      const parts = [left];
      let size = left.length;
      while (size < bytes) {
        const chunk = await more();
        parts.push(chunk);
        size += chunk.length;
      }
      const all = Buffer.concat(parts);
      left = all.subarray(bytes);
      return all.subarray(0, bytes);
    },
    close: () => {
      child.kill('SIGKILL');
    },
  };
}
