// IPv4 addresses of this host, those of links without carrier included.
import { readFileSync } from 'node:fs';

/** Addresses that this host answers to, without loopback, sorted. */
export function hostAddresses(): readonly string[] {
  try {
    return localAddresses(readFileSync('/proc/net/fib_trie', 'utf8'));
  } catch {
    // A kernel without this file: only links that are up can then be known, and the packet filter closes loopback by itself.
    return [];
  }
}

/** Local addresses of /proc/net/fib_trie: a leaf `|-- ADDRESS` with the line `/32 host LOCAL` below it. */
export function localAddresses(text: string): readonly string[] {
  const found = new Set<string>();
  let leaf = '';
  for (const line of text.split('\n')) {
    leaf = /\|-- (\S+)/.exec(line)?.[1] ?? leaf;
    if (line.includes('/32 host LOCAL') && !leaf.startsWith('127.')) found.add(leaf);
  }
  return [...found].sort();
}
