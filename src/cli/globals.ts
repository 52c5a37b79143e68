// Global options: their flags, and their values with the environment applied. The one reader of the environment.
import { isAbsolute, resolve } from 'node:path';
import { driverNames } from '../core/plan/capabilities.ts';
import { choice, flag, negative, type OptionSpec, usageError, word, words } from './option.ts';
import { type GlobalOptions, logLevels } from './services.ts';
import { sbxVersion } from './version.ts';

/** Flags that every command takes. */
export const globalSpecs = {
  file: words(
    '-f, --file <file>',
    'sandbox file, - for standard input; repeatable, later ones merge over earlier (default: sbx.yaml here or in a parent)',
  ),
  instance: word('--instance <name>', 'which running copy of the sandbox (SBX_INSTANCE)'),
  sandbox: word('--sandbox <name>', 'a sandbox of this home without its file, as in shop or shop@pr-17'),
  var: words('--var <name=value>', 'value of a variable; repeatable'),
  varFile: words('--var-file <file>', 'file with values of variables; repeatable'),
  vmm: choice('--vmm <vmm>', ['auto', ...driverNames] as const, 'which VMM runs the guests'),
  json: flag('--json', 'one JSON document, or one event per line, on standard output'),
  color: negative('--no-color', 'no colours (NO_COLOR)'),
  logLevel: choice('--log-level <level>', logLevels, 'how much to tell on standard error'),
  home: word('--home <folder>', 'folder for everything that sbx keeps (SBX_HOME)'),
  allowPath: words('--allow-path <folder>', 'folder outside its own that a file may name files in; repeatable'),
  allowPublicPorts: flag('--allow-public-ports', 'let a file publish ports beyond 127.0.0.1'),
  allowHostLoopback: flag(
    '--allow-host-loopback',
    'let guests reach services on 127.0.0.1 of this host, where there are no namespaces to keep them from it',
  ),
} satisfies Record<string, OptionSpec<unknown>>;

type RawGlobals = { readonly [K in keyof typeof globalSpecs]: ReturnType<(typeof globalSpecs)[K]['parse']> };

/** Values of the global options; what the command line leaves open comes from the environment. */
export function globalOptions(
  raw: RawGlobals,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): GlobalOptions {
  const instance = raw.instance ?? nonEmpty(env['SBX_INSTANCE']);
  const home = raw.home ?? nonEmpty(env['SBX_HOME']);
  if (instance !== undefined && !/^[a-z0-9][a-z0-9-]{0,30}$/.test(instance))
    throw usageError(`"${instance}" is not an instance name: a-z, 0-9 and "-", at most 31 of them.`);
  return {
    files: raw.file,
    ...(instance === undefined ? {} : { instance }),
    ...(raw.sandbox === undefined ? {} : { sandbox: raw.sandbox }),
    vars: raw.var.map(toVariable),
    varFiles: raw.varFile,
    environmentVars: variablesOf(env),
    vmm: raw.vmm ?? 'auto',
    json: raw.json,
    color: raw.color && nonEmpty(env['NO_COLOR']) === undefined,
    logLevel: raw.logLevel ?? 'info',
    ...(home === undefined ? {} : { home: isAbsolute(home) ? home : resolve(cwd, home) }),
    allowPaths: raw.allowPath.map((path) => resolve(cwd, path)),
    allowPublicPorts: raw.allowPublicPorts,
    allowHostLoopback: raw.allowHostLoopback,
    cwd,
    version: sbxVersion,
  };
}

function toVariable(text: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=');
  // What was given may be a secret whose name was forgotten.
  if (at < 1) throw usageError('--var takes a name and a value.', 'Write it as in --var workers=3.');
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

function variablesOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const prefix = 'SBX_VAR_';
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith(prefix) && value !== undefined ? [[name.slice(prefix.length), value] as const] : [],
    ),
  );
}

/** A variable that is set to nothing is not set, as NO_COLOR has it. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
