// What providers share: the sandbox's places on this host, its driver, and what must not be written down.
import { type Address, sandboxAddress } from '../core/address.ts';
import { SbxError } from '../core/errors.ts';
import type { DriverName } from '../core/plan/capabilities.ts';
import type { Connectivity } from '../core/state/attrs.ts';
import type { SandboxFacts } from '../core/state/facts.ts';
import type { SandboxRecord } from '../core/state/state.ts';
import type { StepContext } from '../engine/provider.ts';
import { enterArgv, type SpaceRef, spaceOf } from '../host/space.ts';
import type { SandboxLayout } from '../store/home.ts';
import type { VmmDriver } from '../vmm/driver.ts';

/** Everything that providers get; made once per command. */
export interface Shell {
  readonly layout: SandboxLayout;
  /** The driver for a name, opened on first use; SBX5xxx when this host has it no more */
  readonly driver: (name: DriverName) => Promise<VmmDriver>;
  /** Sensitive environment of a VM by name, from the file; never recorded */
  readonly secrets: (address: Address) => ReadonlyMap<string, string>;
  /** What is recorded in place of a sensitive text, by the key of this home; undefined when the home has none */
  readonly hash: (text: string) => Promise<string | undefined>;
  /** Parent of the image cache, and the recipes that ship with sbx */
  readonly images: { readonly cacheDir: string; readonly recipesDir: string };
  /** Absolute path of holder.sh */
  readonly holderScript: string;
  /** What the holder starts when the lease has run out */
  readonly expireArgv: readonly string[];
  /** Absolute path of the program that connects from within a namespace */
  readonly connectProbe: string;
  /** Whether to wait until VMs are ready */
  readonly wait: boolean;
  /** Wall clock in `ms` since the epoch */
  readonly wallClock: () => number;
}

/** The record of the sandbox itself as the journal has it now. */
export function sandboxRecord(context: Pick<StepContext, 'record'>): SandboxRecord | undefined {
  const record = context.record(sandboxAddress);
  return record?.kind === 'sandbox' ? record : undefined;
}

/** How the sandbox is connected. */
export function connectivityIn(context: Pick<StepContext, 'record'>): Connectivity {
  return sandboxRecord(context)?.attrs.connectivity ?? 'namespace';
}

/** Facts of the sandbox as the journal has them now. */
export function sandboxFacts(context: Pick<StepContext, 'record'>): SandboxFacts {
  return sandboxRecord(context)?.facts ?? {};
}

/** The namespace to work in. Throws SBX6003 when there is none. */
export function spaceIn(context: Pick<StepContext, 'record'>): SpaceRef {
  const space = spaceOf(sandboxFacts(context));
  if (space === undefined) throw new SbxError('SBX6003', 'the namespace of the sandbox is gone');
  return space;
}

/** How to start a program for a VM: inside the namespace, or as it is where the sandbox has none. */
export function entering(context: Pick<StepContext, 'record'>): (argv: readonly string[]) => readonly string[] {
  if (connectivityIn(context) === 'user-net') return (argv) => argv;
  return enterArgv(spaceIn(context));
}
