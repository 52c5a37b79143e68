// Options and arguments of commands, declared as data with a type each; wrong values end in SBX0001.
import { type Address, formatAddress, kindOf, parseAddress } from '../core/address.ts';
import { SbxError } from '../core/errors.ts';
import { parseDuration } from '../core/units.ts';

/** What the command line holds for one option: absent, given, with a value, with several. */
export type RawOption = string | boolean | readonly string[] | undefined;

/** One option of a command. `flags` as commander writes them: `-o, --out <file>`. */
export interface OptionSpec<T> {
  readonly flags: string;
  readonly description: string;
  readonly repeatable: boolean;
  readonly parse: (raw: RawOption) => T;
}

/** A positional argument: `<vm>` needed, `[name]` not, `[command...]` all the rest. */
export interface ArgumentSpec {
  readonly name: string;
  readonly description: string;
}

/** An error of usage with the words for users. */
export function usageError(message: string, hint?: string): SbxError {
  return new SbxError('SBX0001', message, hint === undefined ? {} : { hint });
}

/** True when given. */
export function flag(flags: string, description: string): OptionSpec<boolean> {
  return { flags, description, repeatable: false, parse: (raw) => raw === true };
}

/** `--no-x`: true unless given. */
export function negative(flags: string, description: string): OptionSpec<boolean> {
  return { flags, description, repeatable: false, parse: (raw) => raw !== false };
}

/** A word, or undefined. */
export function word(flags: string, description: string): OptionSpec<string | undefined> {
  return { flags, description, repeatable: false, parse: (raw) => (typeof raw === 'string' ? raw : undefined) };
}

/** A word each time it is given. */
export function words(flags: string, description: string): OptionSpec<readonly string[]> {
  return { flags, description, repeatable: true, parse: allOf };
}

/** One of a closed set, or undefined. */
export function choice<V extends string>(
  flags: string,
  choices: readonly V[],
  description: string,
): OptionSpec<V | undefined> {
  const parse = (raw: RawOption): V | undefined => {
    if (typeof raw !== 'string') return undefined;
    const found = choices.find((c) => c === raw);
    if (found === undefined) throw usageError(`"${raw}" is not a value of ${flags}: it takes ${choices.join(', ')}.`);
    return found;
  };
  return { flags, description: `${description} (${choices.join(', ')})`, repeatable: false, parse };
}

/** A whole number within bounds. */
export function integer(
  flags: string,
  bounds: { readonly min: number; readonly max: number; readonly fallback: number },
  description: string,
): OptionSpec<number> {
  const parse = (raw: RawOption): number => {
    if (typeof raw !== 'string') return bounds.fallback;
    const value = /^\d{1,9}$/.test(raw) ? Number(raw) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    throw usageError(`"${raw}" is not a value of ${flags}: it takes a number from ${bounds.min} to ${bounds.max}.`);
  };
  return { flags, description: `${description} (default ${bounds.fallback})`, repeatable: false, parse };
}

/** A duration such as `30s` in `ms`; 0 when not given. */
export function duration(flags: string, description: string): OptionSpec<number> {
  const parse = (raw: RawOption): number => {
    if (typeof raw !== 'string') return 0;
    const ms = parseDuration(raw);
    if (ms !== undefined) return ms;
    throw usageError(`"${raw}" is not a duration.`, `Write it as in ${flags.replace(/<.*>/, '30s')}.`);
  };
  return { flags, description, repeatable: false, parse };
}

/** A duration such as `30s` in `ms`, or undefined. */
function optionalDuration(flags: string, description: string): OptionSpec<number | undefined> {
  const given = duration(flags, description);
  return { ...given, parse: (raw) => (typeof raw === 'string' ? given.parse(raw) : undefined) };
}

/** How long to wait for a guest. */
export const bootTimeout: OptionSpec<number | undefined> = optionalDuration(
  '--timeout <duration>',
  'how long to wait for a guest that does not answer (default until 2m after its start, 10s at least)',
);

/** Addresses of any kind, canonical. */
export function addresses(flags: string, description: string): OptionSpec<readonly Address[]> {
  return { flags, description, repeatable: true, parse: (raw) => allOf(raw).map(toAddress) };
}

/** The canonical address of what a user wrote. */
export function toAddress(text: string): Address {
  const parts = parseAddress(text);
  if (parts === undefined)
    throw usageError(`"${text}" is not an address.`, 'Write it as in web, web[0], job.a, network.lan or volume.pg.');
  return formatAddress(parts);
}

/** The canonical address of a VM. */
export function toVm(text: string): Address {
  const address = toAddress(text);
  if (kindOf(address) !== 'vm') throw usageError(`"${text}" is not a VM.`, 'Write it as in web, web[0] or job.a.');
  return address;
}

function allOf(raw: RawOption): readonly string[] {
  return Array.isArray(raw) ? raw : typeof raw === 'string' ? [raw] : [];
}
