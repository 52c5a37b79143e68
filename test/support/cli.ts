// The program in process: argv in, exit code and output out, with services made of what a test gives.
import { PassThrough } from 'node:stream';
import { runProgram } from '../../src/cli/program.ts';
import type { GlobalOptions, Planned, PlanRequest, Services } from '../../src/cli/services.ts';
import { ok } from '../../src/core/checked.ts';
import { bug } from '../../src/core/errors.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { ApplyResult } from '../../src/engine/events.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Status of `stopAtOnce`, when it was called */
  readonly stopped: number | undefined;
}

export interface CliInput {
  readonly services?: Partial<Services>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Pretend that all three streams are terminals */
  readonly tty?: boolean;
  /** What is typed */
  readonly stdin?: string;
  /** Whether standard input ends after `stdin`, as a pipe does */
  readonly endStdin?: boolean;
  /** Gets the function that sends a signal to the program */
  readonly signals?: (send: (signal: NodeJS.Signals) => void) => void;
  /** Makes all services instead: the real ones, for instance */
  readonly makeServices?: (options: GlobalOptions) => Services;
  /** Gets the global options that services were made with */
  readonly options?: (options: GlobalOptions) => void;
}

/** Runs one command line. Calling a service that the test did not give is a bug. */
export async function sbx(argv: readonly string[], input: CliInput = {}): Promise<Ran> {
  const { tty = false, stdin = '' } = input;
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  if (tty) for (const stream of Object.values(streams)) Object.assign(stream, { isTTY: true, columns: 100, rows: 30 });
  if (stdin !== '') streams.stdin.write(stdin);
  if (input.endStdin === true || (stdin === '' && !tty)) streams.stdin.end();
  const collected = { stdout: collect(streams.stdout), stderr: collect(streams.stderr) };
  const listeners = new Set<readonly [NodeJS.Signals, () => void]>();
  input.signals?.((signal) => {
    for (const [name, listener] of listeners) if (name === signal) listener();
  });
  let stopped: number | undefined;
  const code = await runProgram({
    argv,
    env: input.env ?? {},
    cwd: input.cwd ?? '/nowhere',
    io: streams,
    onSignal: (signal, listener) => {
      const entry = [signal, listener] as const;
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    stopAtOnce: (status) => {
      stopped = status;
    },
    createServices: (options) => {
      input.options?.(options);
      return input.makeServices?.(options) ?? servicesOf(input.services ?? {});
    },
  });
  return { code, stdout: collected.stdout(), stderr: collected.stderr(), stopped };
}

function collect(stream: PassThrough): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

function servicesOf(given: Partial<Services>): Services {
  return new Proxy(given, {
    get: (target, name: string) => Reflect.get(target, name) ?? (() => bug(`the test gives no service "${name}"`)),
  }) as Services;
}

export const complete: ApplyResult = { status: 'complete', outcomes: [], elapsedMs: 1200 };

/** A planner that always gives the same plan, and what it was asked. */
export function plannerOf(
  plan: Plan,
  more: Partial<Planned> = {},
): { readonly services: Pick<Services, 'plan'>; readonly requests: PlanRequest[]; applied: number } {
  const seen = {
    requests: [] as PlanRequest[],
    applied: 0,
    services: {
      plan: async (request: PlanRequest) => {
        seen.requests.push(request);
        const apply: Planned['apply'] = async () => {
          seen.applied += 1;
          return ok(complete);
        };
        return ok({ plan, apply, save: async () => undefined, ...more });
      },
    },
  };
  return seen;
}
