// The whole program: argv in, exit code out. The only place that ends the process.
import { runProgram } from './cli/program.ts';

/** Runs sbx with the arguments, environment and streams of a process, then ends that process. */
export async function main(proc: NodeJS.Process): Promise<void> {
  for (const stream of [proc.stdout, proc.stderr]) {
    // Whoever read our output has gone, as in `sbx status | head -1`: there is nobody left to tell.
    stream.on('error', () => proc.exit(1));
  }
  const code = await runProgram({
    argv: proc.argv.slice(2),
    env: proc.env,
    cwd: proc.cwd(),
    io: { stdin: proc.stdin, stdout: proc.stdout, stderr: proc.stderr },
    onSignal: (signal, listener) => {
      proc.on(signal, listener);
      return () => proc.off(signal, listener);
    },
    stopAtOnce: (status) => proc.exit(status),
  });
  proc.exit(code);
}

export { runProgram };
