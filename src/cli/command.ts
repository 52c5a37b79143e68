// The shape of a command, and what it gets to run with.
import type { ExitCode } from './exit.ts';
import type { ArgumentSpec, OptionSpec } from './option.ts';
import type { GlobalOptions, Io, Services } from './services.ts';

/** Specs of a command's own options, keyed as its `run` gets them. */
export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;

/** The values of a set of option specs. */
export type OptionValues<S extends OptionSpecs> = { readonly [K in keyof S]: ReturnType<S[K]['parse']> };

/** What was given on the command line beyond global options. */
export interface Invocation<S extends OptionSpecs = OptionSpecs> {
  readonly options: OptionValues<S>;
  readonly args: readonly string[];
}

/** What a command runs with. */
export interface CommandContext {
  readonly global: GlobalOptions;
  readonly services: Services;
  readonly io: Io;
  /** CI: no drawing even on a terminal */
  readonly ci: boolean;
  /** Registers for SIGINT and SIGTERM; gives the function that takes the listener off again */
  readonly onSignal: (signal: NodeJS.Signals, listener: () => void) => () => void;
  /** Ends the process at once, for the second Ctrl-C */
  readonly stopAtOnce: (status: number) => void;
}

/** One command: its words for --help, and what it does. */
export interface CommandDefinition<S extends OptionSpecs = OptionSpecs> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Further paragraphs of --help */
  readonly details?: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: S;
  /** Everything after the first argument belongs to the command inside the guest */
  readonly passThrough?: boolean;
  /** Standard input belongs to the command or the guest, so that no file can be read from it */
  readonly takesStdin?: boolean;
  run(context: CommandContext, invocation: Invocation<S>): Promise<ExitCode>;
}

/** Commands under one word, such as `image list`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandDefinition[];
}

/** Fixes the types of a command's options. */
export function defineCommand<S extends OptionSpecs>(definition: CommandDefinition<S>): CommandDefinition {
  // A table holds commands of many option types; each is only ever called with values of its own specs.
  return definition as unknown as CommandDefinition;
}
