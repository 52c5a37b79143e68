// What gc finds, as data, and as text for people.
import type { Diagnostic } from '../diagnostic.ts';
import { makePaint, plainText } from './paint.ts';
import { counted, roughDuration } from './quantity.ts';

/** What a process was for its sandbox. */
export type ProcessRole = 'VMM' | 'uplink' | 'keeper' | 'holder';

/** Something that nobody needs any more. `sandbox` is its id where that can be told. */
export type Garbage =
  | { readonly type: 'expired'; readonly sandbox: string; readonly sinceMs: number }
  | {
      readonly type: 'process';
      readonly sandbox?: string;
      readonly role: ProcessRole;
      readonly pid: number;
      /** Field 22 of /proc/PID/stat, so that a pid that was reused is never taken for it */
      readonly startTime: string;
      readonly program: string;
    }
  | { readonly type: 'folder' | 'file' | 'volumes' | 'build'; readonly sandbox?: string; readonly path: string }
  | { readonly type: 'port'; readonly sandbox: string; readonly port: string };

/** Something that looks like garbage and is left alone. */
export interface Spared {
  readonly what: string;
  readonly why: string;
}

/** Everything that gc looked at and has something to say about. */
export interface GarbageReport {
  readonly found: readonly Garbage[];
  readonly spared: readonly Spared[];
}

/** How a removal ended. */
export interface Removal {
  readonly removed: readonly Garbage[];
  readonly failures: readonly Diagnostic[];
}

/** One line per find; ends with a newline. */
export function renderGarbage({ found, spared }: GarbageReport, options: { readonly color: boolean }): string {
  const paint = makePaint(options.color);
  const lines = [
    ...found.map((garbage) => `  ${paint.red('-')} ${plainText(garbageWords(garbage))}`),
    ...spared.map(({ what, why }) => `  ${paint.dim('·')} ${plainText(what)} ${paint.dim(`stays: ${plainText(why)}`)}`),
  ];
  if (found.length === 0) return `${[...lines, 'Nothing to remove.'].join('\n')}\n`;
  return `${[...lines, '', paint.bold(`${counted(found.length, 'thing')} to remove.`)].join('\n')}\n`;
}

/** A find in words: `process 4711, VMM of shop: cloud-hypervisor`. */
export function garbageWords(garbage: Garbage): string {
  const of = garbage.sandbox === undefined ? '' : ` of ${garbage.sandbox}`;
  switch (garbage.type) {
    case 'expired':
      return `sandbox ${garbage.sandbox}, whose lease ended ${roughDuration(garbage.sinceMs)} ago`;
    case 'process':
      return `process ${garbage.pid}, ${garbage.role}${of}: ${garbage.program}`;
    case 'folder':
      return `folder${of} ${garbage.path}`;
    case 'file':
      return `file ${garbage.path}`;
    case 'volumes':
      return `volumes${of} ${garbage.path}`;
    case 'build':
      return `unfinished image ${garbage.path}`;
    case 'port':
      return `reserved port ${garbage.port}${of}`;
  }
}

/** Tells finds apart, also between two looks. */
export function garbageKey(garbage: Garbage): string {
  switch (garbage.type) {
    case 'expired':
      return `expired ${garbage.sandbox}`;
    case 'process':
      return `process ${garbage.pid} ${garbage.startTime}`;
    case 'port':
      return `port ${garbage.port} ${garbage.sandbox}`;
    default:
      return `${garbage.type} ${garbage.path}`;
  }
}
