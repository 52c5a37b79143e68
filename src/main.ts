// The whole program: argv in, exit code out. The only place that ends the process.
import { runProgram } from './cli/program.ts';
import type { Io } from './cli/services.ts';

/** Runs sbx with the arguments, environment and streams of a process, then ends that process. */
export async function main(proc: NodeJS.Process): Promise<void> {
  const code = await runProgram({
    argv: proc.argv.slice(2),
    env: environmentOf(proc),
    cwd: proc.cwd(),
    io: streamsOf(proc),
    onSignal: (signal, listener) => {
      proc.on(signal, listener);
      return () => proc.off(signal, listener);
    },
    stopAtOnce: (status) => proc.exit(status),
  });
  proc.exit(code);
}

/**
 * The environment, once: values of variables go to no program that is started from here, and none is started from the
 * working directory, which a PATH with an empty or relative entry names.
 */
function environmentOf(proc: NodeJS.Process): NodeJS.ProcessEnv {
  const env = { ...proc.env };
  for (const name of Object.keys(env)) if (name.startsWith('SBX_VAR_')) delete proc.env[name];
  const path = env['PATH']?.split(':').filter((folder) => folder.startsWith('/'));
  if (path !== undefined) {
    env['PATH'] = path.join(':');
    proc.env['PATH'] = env['PATH'];
  }
  return env;
}

/** The streams of a process. Node makes each at its first use, which costs some milliseconds. */
function streamsOf(proc: NodeJS.Process): Io {
  const guarded = new Set<unknown>();
  const guard = <S extends NodeJS.WriteStream>(stream: S): S => {
    if (!guarded.has(stream)) stream.on('error', () => unheard(proc));
    guarded.add(stream);
    return stream;
  };
  return {
    get stdin() {
      return proc.stdin;
    },
    get stdout() {
      return guard(proc.stdout);
    },
    get stderr() {
      return guard(proc.stderr);
    },
  };
}

/** Whoever read our output has gone, as in `sbx status | head -1`. What is being changed is ended as by a closed terminal. */
function unheard(proc: NodeJS.Process): void {
  if (proc.listenerCount('SIGHUP') > 0) proc.emit('SIGHUP', 'SIGHUP');
  else proc.exit(1);
}

export { runProgram };
