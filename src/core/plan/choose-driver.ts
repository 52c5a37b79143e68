// Which VMM runs a sandbox: the first that this host has and that can do all the file asks, with the reasons. Pure.
import type { Address } from '../address.ts';
import { type Checked, failed, ok } from '../checked.ts';
import type { Desired, DesiredVm } from '../desired.ts';
import { diagnostic } from '../diagnostic.ts';
import type { Connectivity } from '../state/attrs.ts';
import { type Capabilities, type Detected, type DriverName, driverNames } from './capabilities.ts';
import type { DriverChoice } from './plan.ts';

/** What a file asks of a VMM on this host; the VM named is the one that asks for most, or for least memory. */
export interface DriverNeeds {
  /** A VM with networks, where namespaces are forbidden and the VMM must bring its own */
  readonly userNetwork?: Address;
  readonly cpus?: { readonly address: Address; readonly max: number };
  readonly memory?: { readonly address: Address; readonly leastBytes: number };
  /** Disks and NICs together */
  readonly devices?: { readonly address: Address; readonly count: number };
}

export interface DriverRequest {
  readonly vmm: 'auto' | DriverName;
  readonly needs: DriverNeeds;
  /** What was recorded for the sandbox's VMs: `auto` stays with it, since a change would restart them all */
  readonly current?: {
    readonly driver: DriverName;
    /** Whether any of them runs now: then `auto` stays with it even where it could start none */
    readonly runs: boolean;
    /** What is known of it without its program */
    readonly capabilities: Capabilities;
  };
}

/** What a file asks of a VMM. */
export function driverNeeds(desired: Desired, connectivity: Connectivity): DriverNeeds {
  const vms = [...desired.resources.values()].filter((resource): resource is DesiredVm => resource.kind === 'vm');
  const connected = connectivity === 'user-net' ? vms.find((vm) => vm.nics.size > 0) : undefined;
  const cpus = most(vms, (vm) => vm.cpus.max);
  const memory = most(vms, (vm) => -vm.memory.sizeBytes);
  const devices = most(vms, deviceCount);
  return {
    ...(connected === undefined ? {} : { userNetwork: connected.address }),
    ...(cpus === undefined ? {} : { cpus: { address: cpus.address, max: cpus.cpus.max } }),
    ...(memory === undefined ? {} : { memory: { address: memory.address, leastBytes: memory.memory.sizeBytes } }),
    ...(devices === undefined ? {} : { devices: { address: devices.address, count: deviceCount(devices) } }),
  };
}

/**
 * Chooses a driver. A named one is taken as it is. When no driver can do everything, the first that is there is taken,
 * and the planner says at which line it falls short. Fails with SBX3102 when there is none.
 */
export function chooseDriver(request: DriverRequest, detected: readonly Detected[]): Checked<DriverChoice> {
  const kept = keptDriver(request, detected);
  if (kept !== undefined) return ok(kept);
  const candidates = inOrder(request, detected).map((found) => ({ found, shortfall: shortfallOf(found, request) }));
  const available = candidates.filter(({ found }) => found.available);
  const best = available.find(({ shortfall }) => shortfall === undefined) ?? available[0];
  if (best === undefined || !best.found.available) return noDriver(candidates);
  const { capabilities } = best.found;
  const others = candidates
    .filter((candidate) => candidate !== best)
    .map(({ found, shortfall }) => ({
      driver: driverOf(found),
      reason: shortfall ?? `${capabilities.driver} ${whyPreferred(request, capabilities.driver)}`,
    }));
  return ok({ chosen: capabilities, others });
}

/** The driver that stays although it is not found usable: what it runs goes on, and what is not known to be gone is not given up. */
function keptDriver({ vmm, current }: DriverRequest, detected: readonly Detected[]): DriverChoice | undefined {
  if (vmm !== 'auto' || current === undefined) return undefined;
  const found = detected.find((one) => driverOf(one) === current.driver);
  if (found === undefined || found.available) return undefined;
  if (!current.runs && found.undecided !== true) return undefined;
  const others = detected
    .filter((one) => one !== found)
    .map((one) => ({
      driver: driverOf(one),
      reason: one.available ? `${current.driver} runs this sandbox already` : one.reason,
    }));
  const unsure = { reason: found.reason, certain: found.undecided !== true };
  return { chosen: found.capabilities ?? current.capabilities, unsure, others };
}

type Candidate = { readonly found: Detected; readonly shortfall: string | undefined };

function noDriver(candidates: readonly Candidate[]): Checked<DriverChoice> {
  const reasons = candidates.map(({ found, shortfall }) => `${driverOf(found)}: ${shortfall}.`);
  const hint = candidates.flatMap(({ found }) => (found.available ? [] : (found.hint ?? []))).at(-1);
  return failed(
    diagnostic('SBX3102', {
      detail: reasons.join(' '),
      ...(hint === undefined ? {} : { hint }),
    }),
  );
}

function inOrder({ vmm, current }: DriverRequest, detected: readonly Detected[]): readonly Detected[] {
  if (vmm !== 'auto') return detected.filter((found) => driverOf(found) === vmm);
  const rank = (found: Detected) => (driverOf(found) === current?.driver ? -1 : driverNames.indexOf(driverOf(found)));
  return [...detected].sort((a, b) => rank(a) - rank(b));
}

/** Why a driver will not do, without a full stop; undefined when it will. */
function shortfallOf(found: Detected, { needs }: DriverRequest): string | undefined {
  return found.available ? missingAbility(found.capabilities, needs) : found.reason;
}

function missingAbility(has: Capabilities, { userNetwork, cpus, memory, devices }: DriverNeeds): string | undefined {
  if (userNetwork !== undefined && !has.userNetwork)
    return `it has no user network, which ${userNetwork} needs where network namespaces are forbidden`;
  if (cpus !== undefined && cpus.max > has.cpusMax)
    return `it runs at most ${has.cpusMax} vCPUs and ${cpus.address} asks for ${cpus.max}`;
  if (memory !== undefined && memory.leastBytes < has.memoryMinBytes)
    return `it needs ${has.memoryMinBytes} bytes of memory and ${memory.address} has ${memory.leastBytes}`;
  if (devices !== undefined && devices.count > has.devicesMax)
    return `it holds at most ${has.devicesMax} disks and NICs and ${devices.address} has ${devices.count}`;
  return undefined;
}

function whyPreferred({ current }: DriverRequest, chosen: DriverName): string {
  return chosen === current?.driver ? 'runs this sandbox already' : 'comes first';
}

function driverOf(found: Detected): DriverName {
  return found.available ? found.capabilities.driver : found.driver;
}

function deviceCount(vm: DesiredVm): number {
  return vm.disks.size + vm.nics.size;
}

function most(vms: readonly DesiredVm[], amount: (vm: DesiredVm) => number): DesiredVm | undefined {
  return vms.reduce<DesiredVm | undefined>(
    (best, vm) => (best === undefined || amount(vm) > amount(best) ? vm : best),
    undefined,
  );
}
