// The terminal of a command: its width and colours, questions to whoever sits at it, documents for programs.
import { createInterface } from 'node:readline';
import { SbxError } from '../core/errors.ts';
import { plainJson } from '../core/render/paint.ts';
import type { CommandContext } from './command.ts';

/** Width and colours of standard output. Without a terminal lines may be long: a log wraps them by itself. */
export function look(context: CommandContext): { readonly color: boolean; readonly width: number } {
  const { stdout } = context.io;
  return { color: context.global.color && stdout.isTTY === true, width: stdout.columns ?? 160 };
}

/** Whether somebody can be asked. */
export function canAsk(context: CommandContext): boolean {
  return context.io.stdin.isTTY === true && context.io.stderr.isTTY === true && !context.global.json;
}

/** Asks on standard error and gives the line that was typed; undefined at the end of input or Ctrl-C. */
export function ask(context: CommandContext, question: string): Promise<string | undefined> {
  const { stdin, stderr } = context.io;
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  return new Promise((resolve) => {
    const off = context.onSignal('SIGINT', () => lines.close());
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => {
      off();
      resolve(undefined);
    });
    stderr.write(question);
  });
}

/** Prints one JSON document with `format_version` first. */
export function printDocument(context: CommandContext, document: object): void {
  context.io.stdout.write(`${plainJson({ format_version: 1, ...document }, undefined, 2)}\n`);
}

/** Prints text for people. */
export function print(context: CommandContext, text: string): void {
  context.io.stdout.write(text);
}

/**
 * An abort signal that Ctrl-C, SIGTERM or a closed terminal raises; a second Ctrl-C or SIGTERM ends the process at once. A
 * closed terminal never does: its signal comes together with failing writes to it.
 */
export function interruptible(
  context: CommandContext,
  onFirst: () => void = () => undefined,
): { readonly signal: AbortSignal; readonly off: () => void } {
  const abort = new AbortController();
  const interrupt = (name: NodeJS.Signals) => () => {
    if (abort.signal.aborted) {
      if (name !== 'SIGHUP') context.stopAtOnce(130);
      return;
    }
    onFirst();
    abort.abort(new SbxError('SBX3170', `interrupted by ${name}`));
  };
  const offs = (['SIGINT', 'SIGTERM'] as const).map((name) => context.onSignal(name, interrupt(name)));
  const offHangUp = context.onSignal('SIGHUP', interrupt('SIGHUP'));
  const off = (): void => {
    for (const each of offs) each();
    // A terminal that closes says so several times: the last must not kill what is just ending cleanly.
    if (!abort.signal.aborted) offHangUp();
  };
  return { signal: abort.signal, off };
}
