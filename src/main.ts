// The whole program: argv in, exit code out. The only place that ends the process.
import { exitAfterLoss } from './cli/exit.ts';
import { letGoOfClosedTerminals, openOutlets } from './cli/outlets.ts';
import { type ProgramInput, reportFailure, reportLoss, runProgram } from './cli/program.ts';

/** Runs sbx with the arguments, environment and streams of a process, then ends that process. Services are given by tests only. */
export async function main(proc: NodeJS.Process, given: Pick<ProgramInput, 'createServices'> = {}): Promise<void> {
  let hungUp = false;
  const outlets = openOutlets(proc, () => {
    hungUp = true;
    // Whoever read our output has gone. What is being changed is ended as by a closed terminal.
    if (proc.listenerCount('SIGHUP') > 0) proc.emit('SIGHUP', 'SIGHUP');
    else void end(1);
  });
  const input: ProgramInput = {
    ...given,
    argv: proc.argv.slice(2),
    env: environmentOf(proc),
    cwd: workingFolder(proc),
    io: outlets.io,
    onSignal: (signal, listener) => {
      const heard = (): void => {
        hungUp ||= signal === 'SIGHUP';
        listener();
      };
      proc.on(signal, heard);
      return () => proc.off(signal, heard);
    },
    stopAtOnce: (status) => proc.exit(status),
  };
  const end = async (code: number): Promise<void> => {
    const loss = await outlets.settle();
    if (loss !== undefined) reportLoss(input, loss);
    await outlets.settle();
    proc.exit(loss === undefined ? code : exitAfterLoss(code));
  };
  proc.on('exit', () => letGoOfClosedTerminals(hungUp));
  proc.on('uncaughtException', (error) => void end(reportFailure(input, error)));
  await end(await runProgram(input));
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

/** The folder that sbx was called in; undefined when it was removed meanwhile. */
function workingFolder(proc: NodeJS.Process): string | undefined {
  try {
    return proc.cwd();
  } catch {
    return undefined;
  }
}

export { runProgram };
