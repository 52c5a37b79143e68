// What a VM has without saying so: sizes, names, addresses of network cards.
import type { Address } from '../address.ts';
import { quickHex } from '../quick-hash.ts';
import type { Context, Instance } from './context.ts';

/** What a VM has when neither it nor its template says. */
export const defaults = { cpus: 1, memory: '256MiB', state: 'running', readyTimeoutMs: 120_000 } as const;

/** `shop`, or `shop@pr-17` for an instance. */
export function sandboxId(context: Context): string {
  const { instance } = context.inputs;
  return instance === undefined ? context.root.name : `${context.root.name}@${instance}`;
}

/** Name of the VM with its key, as a host name. */
export function defaultHostname({ group, key }: Instance): string {
  if (key === undefined) return group.name;
  return `${group.name}-${String(key).toLowerCase().replaceAll('_', '-')}`.replace(/-+$/, '');
}

/** A stable, locally administered MAC address for a network card of a sandbox. */
export function macAddress(sandboxId: string, vm: Address, nic: string): string {
  const text = `${sandboxId}\0${vm}\0${nic}`;
  const hex = `${quickHex(text, 1)}${quickHex(text, 2)}`;
  const first = ((Number.parseInt(hex.slice(0, 2), 16) & 0xfc) | 2).toString(16).padStart(2, '0');
  return `${first}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10, 12)}`;
}
