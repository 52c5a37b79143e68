// The packet filter of a sandbox: loads the one nftables table of its namespace, and tells whether it is still what was loaded.
import { createHash } from 'node:crypto';
import type { SandboxObservation } from '../core/observed.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import { run, tryRun } from './exec.ts';
import { hostAddresses } from './host-addresses.ts';
import { programPath } from './programs.ts';
import { readRulesMark, writeRulesMark } from './rules-mark.ts';
import { forwardTargets, rulesetFor, table } from './ruleset.ts';
import { enterArgv, type SpaceRef } from './space-ref.ts';

/** Loads the table for `attrs` in one transaction and notes in the run folder what the kernel then shows. Throws SBX6001. */
export async function applyRules(space: SpaceRef, attrs: SandboxAttrs, runDir: string): Promise<void> {
  const addresses = hostAddresses();
  const enter = enterArgv(space);
  await run(enter([programPath('nft'), '-f', '-']), { input: rulesetFor(attrs, addresses), timeoutMs: 20_000 });
  const listing = await run(enter(listArgv()), { timeoutMs: 20_000 });
  await writeRulesMark(runDir, {
    listing: digest(listing),
    hostAddresses: addresses,
    forwards: forwardTargets(attrs),
  });
}

/**
 * Whether the table is there and lists exactly as it did after it was loaded: every rule and element counts. `changed` too when the
 * host has an address that the rules do not know, since guests could reach the host there, and when the mark is lost. Costs one process.
 */
export async function readRules(space: SpaceRef, runDir: string): Promise<SandboxObservation['rules']> {
  const [mark, listed] = await Promise.all([
    readRulesMark(runDir),
    tryRun(enterArgv(space)(listArgv()), { timeoutMs: 20_000 }),
  ]);
  if (listed.code !== 0) return 'absent';
  if (mark === undefined || mark.listing !== digest(listed.stdout)) return 'changed';
  return hostAddresses().every((address) => mark.hostAddresses.includes(address)) ? 'present' : 'changed';
}

/** Without counters (`-s`), or two listings of one table would differ. */
function listArgv(): readonly string[] {
  return [programPath('nft'), '-s', 'list', 'table', ...table.split(' ')];
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
