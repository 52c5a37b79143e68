// The packet filter of a sandbox: loads the nftables tables of its namespace, and tells whether they still are what was loaded.
import { createHash } from 'node:crypto';
import type { SandboxObservation } from '../core/observed.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import { run } from './exec.ts';
import { hostAddresses } from './host-addresses.ts';
import { programPath } from './programs.ts';
import { readRulesMark, writeRulesMark } from './rules-mark.ts';
import { forwardTargets, guardRuleset, rulesetFor, tables } from './ruleset.ts';
import { enterArgv, type SpaceRef } from './space-ref.ts';

const timeoutMs = 20_000;

/** Loads the tables for `attrs` in one transaction and notes in the run folder what the kernel then shows. Throws SBX6001. */
export async function applyRules(space: SpaceRef, attrs: SandboxAttrs, runDir: string): Promise<void> {
  const addresses = hostAddresses();
  await load(space, rulesetFor(attrs, addresses));
  const listed = await list(space);
  await writeRulesMark(runDir, {
    listing: digest(listed),
    hostAddresses: addresses,
    forwards: forwardTargets(attrs),
  });
}

/**
 * Whether the tables are there and list exactly as they did after they were loaded: every rule and element
 * counts, and so does a table of anybody else. `changed` too when the
 * host has an address that the rules do not know, since guests could reach the host there, and when the mark is lost. Costs one process.
 */
export async function readRules(space: SpaceRef, runDir: string): Promise<SandboxObservation['rules']> {
  const [mark, listed] = await Promise.all([readRulesMark(runDir), list(space)]);
  if (Object.values(tables).some((table) => !listed.includes(`table ${table} {`))) return 'absent';
  if (mark === undefined || mark.listing !== digest(listed)) return 'changed';
  return hostAddresses().every((address) => mark.hostAddresses.includes(address)) ? 'present' : 'changed';
}

/** Loads the part of the filter that must stand before an uplink does. Loading it again changes nothing. Throws SBX6001. */
export async function applyGuard(space: SpaceRef): Promise<void> {
  await load(space, guardRuleset());
}

async function load(space: SpaceRef, input: string): Promise<void> {
  await run(enterArgv(space)([programPath('nft'), '-f', '-']), { input, timeoutMs });
}

/** Everything that filters in the namespace, without counters (`-s`), or two listings would differ. */
function list(space: SpaceRef): Promise<string> {
  return run(enterArgv(space)([programPath('nft'), '-s', 'list', 'ruleset']), { timeoutMs });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
