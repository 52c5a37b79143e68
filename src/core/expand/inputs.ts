// What expansion needs from outside: values of variables, content of files, earlier choices. Read at the rim.
import type { Allocations } from '../desired.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Pattern } from './patterns.ts';

/** Values given for variables, weakest first: environment, files in order, flags. */
export interface VariableInputs {
  /** `--var name=value` */
  readonly flags: Readonly<Record<string, string>>;
  /** Parsed `--var-file`s; scalars may be `Spelled` */
  readonly files: readonly { readonly path: string; readonly values: Readonly<Record<string, unknown>> }[];
  /** `SBX_VAR_name` with the prefix stripped; names that the file does not declare are ignored */
  readonly environment: Readonly<Record<string, string>>;
}

/** What is known of a file that the sandbox file names in `file.read` or `file.sha256`. */
export interface FileContent {
  /** Hex digest of the content */
  readonly sha256: string;
  /** Content, when it is UTF-8 and short enough to be read into a value */
  readonly text?: string;
}

/** Where a path of the file leads, links resolved, or why it may not be used. */
export type ResolvedPath = { readonly path: string } | { readonly problem: 'outside' | 'unusable' };

export interface ExpandInputs {
  /** Absolute folder of the first file */
  readonly folder: string;
  readonly instance?: string;
  readonly variables: VariableInputs;
  /** Takes variables without a value for unknown ones, and checks whatever does not depend on them */
  readonly unknownVariables?: boolean;
  /** Keyed by the path as written in the reference */
  readonly files: ReadonlyMap<string, FileContent | Diagnostic>;
  /** Patterns of variables by their source; absent when it is no regular expression */
  readonly patterns: ReadonlyMap<string, Pattern>;
  /** Absolute path of a file that an image names, relative to `folder`; checked against the allowed folders */
  readonly resolvePath: (path: string) => ResolvedPath;
  readonly allocations: Allocations;
  /** Whether ports may be published on other addresses than 127.0.0.1 and ::1 */
  readonly allowPublicPorts: boolean;
}

/** Allocations of a sandbox that was never applied. */
export const noAllocations: Allocations = {
  addresses: new Map(),
  subnets: new Map(),
  ports: new Map(),
  portTaken: () => false,
};
