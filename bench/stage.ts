// What a stage of the benchmark gets and gives.
import { join } from 'node:path';
import type { Command } from './measure.ts';
import type { Missing, Row } from './report.ts';

export interface StageContext {
  /** Folder of the unpacked package */
  readonly package: string;
  /** Short path under /tmp, emptied afterwards; sockets fit below it */
  readonly scratch: string;
  /** Numbers of VMs that the user asked for; undefined means the stage's own */
  readonly sizes?: readonly number[];
  /** Where the stage says what it is doing */
  readonly say: (text: string) => void;
}

export interface StageResult {
  readonly rows: readonly Row[];
  readonly missing: readonly Missing[];
}

export type Stage = (context: StageContext) => Promise<StageResult>;

/** Environment of sbx in a benchmark: a home of its own, and nothing of the user's. */
export function sbxEnvironment(home: string, path = ''): Readonly<Record<string, string>> {
  return {
    PATH: path === '' ? (process.env['PATH'] ?? '') : `${path}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    SBX_HOME: home,
    NO_COLOR: '1',
  };
}

/** sbx as it was packed. */
export function sbxCommand(
  context: StageContext,
  args: readonly string[],
  where: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly codes?: readonly number[] },
): Command {
  return { argv: [process.execPath, join(context.package, 'dist/sbx.cjs'), ...args], ...where };
}
