// The command line: turns argv into one call of a command, and whatever happens into an exit code.
import { Command, CommanderError, Option } from 'commander';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { describeError, SbxError, toDiagnostic } from '../core/errors.ts';
import type { CommandContext, CommandDefinition, CommandGroup, OptionSpecs, OptionValues } from './command.ts';
import { commandTable } from './commands/index.ts';
import { type ExitCode, exitCodes, exitOfDiagnostics } from './exit.ts';
import { globalOptions, globalSpecs } from './globals.ts';
import { type OptionSpec, type RawOption, usageError } from './option.ts';
import type { Loss } from './outlets.ts';
import { errorLine, report } from './report.ts';
import type { GlobalOptions, Io, Services } from './services.ts';
import { stdinName } from './source-files.ts';
import { stdinReader } from './stdin-text.ts';
import { sbxVersion } from './version.ts';

/** What a run of the program needs from its process. */
export interface ProgramInput {
  /** Arguments after the program's name */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Working folder, absolute; undefined when there is none any more */
  readonly cwd: string | undefined;
  readonly io: Io;
  readonly onSignal: CommandContext['onSignal'];
  readonly stopAtOnce: CommandContext['stopAtOnce'];
  /** What commands call; default is the real thing */
  readonly createServices?: (options: GlobalOptions) => Services;
}

/** Runs one command line. Never throws: every failure becomes diagnostics on standard error and an exit code. */
export async function runProgram(input: ProgramInput): Promise<ExitCode> {
  let exit: ExitCode = exitCodes.done;
  const program = makeProgram(input, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...input.argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage;
    return reportFailure(input, error);
  }
}

/** Says why the program failed, whatever was thrown, and gives the exit code of that. */
export function reportFailure(input: ProgramInput, error: unknown): ExitCode {
  const found = error instanceof CommanderError ? usageDiagnostic(error, input.argv) : toDiagnostic(error);
  report(input.io, lookOf(input), [found]);
  if (input.argv.includes('--json')) input.io.stdout.write(errorLine([found]));
  if (asksForDebug(input.argv) && error instanceof Error) input.io.stderr.write(`${error.stack}\n`);
  return exitOfDiagnostics([found]);
}

/** Says that output was lost, unless nobody wants it any more. */
export function reportLoss(input: ProgramInput, { stream, cause, gone }: Loss): void {
  if (gone || stream === 'standard error') return;
  const detail = `${sentenceStart(stream)} cannot be written: ${describeError(cause)}. What is there is not all of it.`;
  report(input.io, lookOf(input), [diagnostic('SBX0007', { detail })]);
}

function lookOf({ argv, env, cwd = '/' }: ProgramInput): { readonly color: boolean; readonly cwd: string } {
  return { color: !argv.includes('--no-color') && (env['NO_COLOR'] ?? '') === '', cwd };
}

function asksForDebug(argv: readonly string[]): boolean {
  return argv.some((arg, at) => arg === '--log-level=debug' || (arg === '--log-level' && argv[at + 1] === 'debug'));
}

function usageDiagnostic(error: CommanderError, argv: readonly string[]): Diagnostic {
  // A word that was not understood may hold the value of a variable.
  const message = error.message.replace(/'([^'=\n]*)=[^'\n]*'/g, "'$1=…'");
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const meant = /Did you mean (.*)\?/.exec(suggestion ?? '')?.[1];
  return diagnostic('SBX0001', {
    detail: `${sentenceStart(first).replace(/\.$/, '')}.`,
    hint: meant === undefined ? usageHint(error, argv) : `did you mean ${meant}?`,
  });
}

function sentenceStart(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function usageHint(error: CommanderError, argv: readonly string[]): string {
  const command = commandTable.find(({ name }) => argv.includes(name))?.name;
  // The one command on which -f is no file.
  if (command === 'logs' && error.code === 'commander.excessArguments' && argv.includes('-f'))
    return 'sbx logs -f follows the log. Name the file with --file.';
  return command === undefined
    ? 'See all commands and options with:\nsbx --help'
    : `See its arguments and options with:\nsbx ${command} --help`;
}

function makeProgram(input: ProgramInput, ended: (code: ExitCode) => void): Command {
  const program = quiet(new Command('sbx'), input.io)
    .description('Plan and apply for microVM sandboxes.')
    .version(sbxVersion, '-V, --version', 'version of sbx')
    .enablePositionalOptions()
    .showSuggestionAfterError();
  addOptions(program, globalSpecs);
  for (const entry of commandTable) program.addCommand(toCommand(entry, input, ended));
  program.addHelpText('after', '\nExit codes, files and environment are described in docs/.');
  return program;
}

function toCommand(
  entry: CommandDefinition | CommandGroup,
  input: ProgramInput,
  ended: (code: ExitCode) => void,
): Command {
  if (!('commands' in entry)) return leaf(entry, input, ended);
  const group = quiet(new Command(entry.name), input.io).summary(entry.summary).description(`${entry.summary}.`);
  // Commands that were not named need no options: making them is most of what commander costs.
  if (!input.argv.includes(entry.name)) return group;
  group.enablePositionalOptions().showSuggestionAfterError();
  for (const definition of entry.commands) group.addCommand(leaf(definition, input, ended));
  return group;
}

function leaf(definition: CommandDefinition, input: ProgramInput, ended: (code: ExitCode) => void): Command {
  const { name, aliases = [], summary, details, options } = definition;
  const command = quiet(new Command(name), input.io)
    .aliases([...aliases])
    .summary(summary);
  for (const argument of definition.arguments) command.argument(argument.name, argument.description);
  if (![name, ...aliases].some((word) => input.argv.includes(word))) return command.usage(usageOf(definition));
  command.description(details === undefined ? `${summary}.` : `${summary}.\n\n${details}`);
  addOptions(command, options);
  command.optionsGroup('Global options:');
  addOptions(command, globalSpecs);
  if (definition.passThrough === true) command.passThroughOptions();
  return command.action(async () => {
    ended(await runCommand(definition, command, input));
  });
}

async function runCommand(definition: CommandDefinition, command: Command, input: ProgramInput): Promise<ExitCode> {
  if (input.cwd === undefined)
    throw new SbxError('SBX0008', 'The folder that sbx was called in is not there any more.', {
      hint: 'Go to one that is there, and name the sandbox with --file or --sandbox.',
    });
  const raws = chain(command).map((c) => c.opts<Record<string, RawOption>>());
  const global = {
    ...globalOptions(valuesOf(globalSpecs, raws), input.env, input.cwd),
    stdin: stdinReader(input.io.stdin),
  };
  if (definition.takesStdin === true && [...global.files, ...global.varFiles].includes(stdinName))
    throw usageError(`sbx ${definition.name} has another use for standard input: name a file instead of -.`);
  const createServices = input.createServices ?? (await realServices(input.io));
  const context: CommandContext = {
    global,
    services: createServices(global),
    io: input.io,
    ci: (input.env['CI'] ?? '') !== '',
    onSignal: input.onSignal,
    stopAtOnce: input.stopAtOnce,
  };
  const own = raws[0] ?? {};
  return definition.run(context, { options: valuesOf(definition.options, [own]), args: command.args });
}

/** The real services; what they wait long for is told on standard error. */
async function realServices(io: Io): Promise<(options: GlobalOptions) => Services> {
  const { createServices } = await import('./wire.ts');
  return (options) => {
    const quiet = options.logLevel === 'error' || options.logLevel === 'warn';
    return createServices(options, undefined, (line) => void (quiet || io.stderr.write(`${line}\n`)));
  };
}

/** A command and those above it, innermost first. */
function chain(command: Command): readonly Command[] {
  return command.parent === null ? [command] : [command, ...chain(command.parent)];
}

/** Values of specs, which are keyed as commander keys them, from the options of a command and of those above it. */
function valuesOf<S extends OptionSpecs>(specs: S, raws: readonly Record<string, RawOption>[]): OptionValues<S> {
  const values = Object.entries(specs).map(([key, spec]) => [
    key,
    spec.parse(
      joined(
        spec,
        raws.map((raw) => raw[key]),
      ),
    ),
  ]);
  return Object.fromEntries(values) as OptionValues<S>;
}

/** Repeatable options are joined over all levels, the outermost first; of others the innermost that was given wins. */
function joined(spec: OptionSpec<unknown>, raws: readonly RawOption[]): RawOption {
  const given = raws.filter((raw) => raw !== undefined);
  if (spec.repeatable) return given.toReversed().flatMap((raw) => (Array.isArray(raw) ? raw : []));
  // Commander gives `--no-x` the value true wherever it was not given.
  return given.find((raw) => raw === false) ?? given[0];
}

function addOptions(command: Command, specs: OptionSpecs): void {
  const taken = new Set(command.options.flatMap((o) => [o.short, o.long]));
  for (const spec of Object.values(specs)) {
    // A command's own short flag wins over a global one, as -f of `logs` does.
    const [short, long] = spec.flags.split(', ');
    const flags = long !== undefined && taken.has(short) ? long : spec.flags;
    const option = new Option(flags, spec.description);
    if (spec.repeatable)
      option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
    command.addOption(option);
  }
}

function usageOf(definition: CommandDefinition): string {
  return ['[options]', ...definition.arguments.map((a) => a.name)].join(' ');
}

/** Errors are ours to show, and to turn into an exit code. */
function quiet(command: Command, io: Io): Command {
  return command
    .exitOverride()
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}
