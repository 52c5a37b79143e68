// What sbx remembers of the packet filter that it loaded: in the run folder, so that it goes with the host's memory.
import { join } from 'node:path';
import { readTextIfThere } from './files.ts';
import { writeOwnFile } from './own-files.ts';

export interface RulesMark {
  /** Digest of what the kernel listed right after loading */
  readonly listing: string;
  /** Addresses of the host that the rules keep guests from */
  readonly hostAddresses: readonly string[];
  /** `protocol/port` at the uplink's end → `guestIp:guestPort` */
  readonly forwards: Readonly<Record<string, string>>;
}

/** The file of the mark. */
export function rulesMarkPath(runDir: string): string {
  return join(runDir, 'rules.json');
}

/** The mark, or undefined when there is none or it is damaged: then the rules count as changed. */
export async function readRulesMark(runDir: string): Promise<RulesMark | undefined> {
  // A folder in its place is damage like any other.
  const text = await readTextIfThere(rulesMarkPath(runDir)).catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isMark(value) ? value : undefined;
  } catch {
    // Not JSON: damaged.
    return undefined;
  }
}

/** Replaces the mark. */
export async function writeRulesMark(runDir: string, mark: RulesMark): Promise<void> {
  await writeOwnFile(rulesMarkPath(runDir), `${JSON.stringify(mark)}\n`);
}

function isMark(value: unknown): value is RulesMark {
  if (typeof value !== 'object' || value === null) return false;
  const { listing, hostAddresses, forwards } = value as Partial<Record<keyof RulesMark, unknown>>;
  return (
    typeof listing === 'string' &&
    Array.isArray(hostAddresses) &&
    hostAddresses.every((address) => typeof address === 'string') &&
    typeof forwards === 'object' &&
    forwards !== null &&
    Object.values(forwards).every((target) => typeof target === 'string')
  );
}
