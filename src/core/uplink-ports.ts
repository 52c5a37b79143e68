// Ports between the uplink and the packet filter: each published port arrives at one port of the namespace's own end. Pure.
import { createHash } from 'node:crypto';
import type { Forward } from './state/attrs.ts';

/** A published port with the port of the uplink's end at which it enters the namespace. */
export interface UplinkForward extends Forward {
  readonly innerPort: number;
}

const firstPort = 1024;
const ports = 65_536 - firstPort;

/**
 * Gives every forward its inner port. A port on 127.0.0.1 keeps its number; others get one by hash, so that a forward keeps its
 * inner port while others come and go.
 */
export function withInnerPorts(forwards: readonly Forward[]): readonly UplinkForward[] {
  const taken = new Set<string>();
  const sorted = [...forwards].sort((a, b) => rank(a) - rank(b) || compare(forwardKey(a), forwardKey(b)));
  return sorted.map((forward) => {
    let port = isLoopback(forward) ? forward.hostPort : hashedPort(forward);
    while (taken.has(`${forward.protocol}/${port}`)) port = firstPort + ((port + 1 - firstPort + ports) % ports);
    taken.add(`${forward.protocol}/${port}`);
    return { ...forward, innerPort: port };
  });
}

/** The host end of a forward: `127.0.0.1:8080/tcp`. */
export function forwardKey(forward: Pick<Forward, 'hostIp' | 'hostPort' | 'protocol'>): string {
  return `${forward.hostIp}:${forward.hostPort}/${forward.protocol}`;
}

/** A forward as observations name it: `127.0.0.1:8080/tcp→10.68.0.10:80`. */
export function forwardName(forward: Forward): string {
  return `${forwardKey(forward)}→${forward.guestIp}:${forward.guestPort}`;
}

function rank(forward: Forward): number {
  return isLoopback(forward) ? 0 : 1;
}

function isLoopback(forward: Forward): boolean {
  return forward.hostIp === '127.0.0.1';
}

function hashedPort(forward: Forward): number {
  return firstPort + (createHash('sha256').update(forwardKey(forward)).digest().readUInt32BE(0) % ports);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
