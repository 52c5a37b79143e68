// A root file system as data: what the initramfs and the root disk are made of.

/** One name in a root file system. Paths are absolute; owner is always root. */
export type TreeEntry =
  | { readonly type: 'folder'; readonly path: string; readonly mode: number }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  /** A character device */
  | {
      readonly type: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** Adds missing parent folders (mode 0755) and sorts, so that parents come first and equal trees are equal lists. */
export function completeTree(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const byPath = new Map<string, TreeEntry>();
  for (const entry of entries) {
    for (const path of parentsOf(entry.path)) {
      if (!byPath.has(path)) byPath.set(path, { type: 'folder', path, mode: 0o755 });
    }
    byPath.set(entry.path, entry);
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function parentsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
