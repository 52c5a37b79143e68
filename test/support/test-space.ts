// A sandbox's namespace for a test, and all that it needs around it; gone when the test is.
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { SandboxAttrs } from '../../src/core/state/attrs.ts';
import type { SandboxFacts } from '../../src/core/state/facts.ts';
import { closeSpace, type OpenSpaceOptions, openSpace, type SpaceRef, spaceOf } from '../../src/host/space.ts';
import { processesOf } from './sandbox-host.ts';

export const holderScript: string = fileURLToPath(new URL('../../src/host/holder.sh', import.meta.url));

/** Options for openSpace with a short home of its own, closed and removed at the end of the test. */
export function spaceOptions(t: Test, expireArgv: readonly string[] = ['/bin/true']): OpenSpaceOptions {
  const home = mkdtempSync('/tmp/sbxn-');
  const runDir = join(home, 'run');
  mkdirSync(runDir, { mode: 0o700 });
  const options = { home, instance: 'shop', runDir, logPath: join(home, 'holder.log'), holderScript, expireArgv };
  t.teardown(async () => {
    await closeSpace({ ...options, facts: {} });
    rmSync(home, { recursive: true, force: true });
  });
  return { ...options, facts: {} };
}

export interface OpenedSpace {
  readonly options: OpenSpaceOptions;
  readonly facts: SandboxFacts;
  readonly space: SpaceRef;
}

/** Opens a space for the test. */
export async function openedSpace(t: Test, expireArgv?: readonly string[]): Promise<OpenedSpace> {
  const options = spaceOptions(t, expireArgv);
  const facts = await openSpace(options);
  const space = spaceOf(facts);
  if (space === undefined) throw new Error('the space is not open');
  return { options: { ...options, facts }, facts, space };
}

/** Command lines of processes that name a home. */
export function commandLinesOf(home: string): readonly string[] {
  return processesOf(home)
    .map(({ words }) => words)
    .sort();
}

/** Pids of processes in a network namespace. */
export function processesIn(netns: string | undefined): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/net`) === `net:[${netns}]`;
    } catch {
      // Gone in between, or not ours.
      return false;
    }
  });
}

/** Attributes of a sandbox with networks and nothing else. */
export function attrsOf(
  networks: SandboxAttrs['networks'],
  forwards: readonly {
    hostIp?: string;
    hostPort: number;
    guestIp: string;
    guestPort: number;
    protocol?: 'tcp' | 'udp';
  }[] = [],
): SandboxAttrs {
  return {
    connectivity: 'namespace',
    expiresMs: null,
    uplink: true,
    networks,
    forwards: forwards.map((forward) => ({
      vm: 'vm.a' as SandboxAttrs['forwards'][number]['vm'],
      network: 'lan',
      hostIp: '127.0.0.1',
      protocol: 'tcp',
      ...forward,
    })),
  };
}
