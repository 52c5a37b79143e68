// Diagnostics on their way out: words on standard error, and with --json a line of JSON on standard output.
import type { Diagnostic } from '../core/diagnostic.ts';
import { boundedDiagnostics, renderDiagnostics } from '../core/render/diagnostics.ts';
import { plainJson, plainText } from '../core/render/paint.ts';
import type { CommandContext } from './command.ts';
import { type ExitCode, exitOfDiagnostics } from './exit.ts';
import type { GlobalOptions, Io } from './services.ts';

/** Shows diagnostics. Colours only where standard error is a terminal. */
export function report(io: Io, global: Pick<GlobalOptions, 'color' | 'cwd'>, diagnostics: readonly Diagnostic[]): void {
  if (diagnostics.length === 0) return;
  // Details may quote what programs wrote, in colours of their own.
  const clean = boundedDiagnostics(diagnostics).map((each) => ({ ...each, detail: plainText(each.detail) }));
  io.stderr.write(renderDiagnostics(clean, { color: global.color && io.stderr.isTTY === true, cwd: global.cwd }));
}

/** Ends a command with its errors. */
export function failWith(context: CommandContext, diagnostics: readonly Diagnostic[]): ExitCode {
  const { io, global } = context;
  report(io, global, diagnostics);
  if (global.json) io.stdout.write(errorLine(diagnostics));
  return exitOfDiagnostics(diagnostics);
}

/** What stands on standard output with --json instead of a document that there is none of. */
export function errorLine(diagnostics: readonly Diagnostic[]): string {
  return `${plainJson({ format_version: 1, type: 'error', diagnostics: boundedDiagnostics(diagnostics) })}\n`;
}

/** Shows warnings, unless only errors are wanted or a document carries them. */
export function warn(context: CommandContext, warnings: readonly Diagnostic[]): void {
  const { json, logLevel } = context.global;
  if (!json && logLevel !== 'error') report(context.io, context.global, warnings);
}
