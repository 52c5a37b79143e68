// Work done without the rights of root, by whoever runs the tests.
import { chownSync } from 'node:fs';

const nobody = 65_534;

/** Runs the work as a user without rights, who is given the paths; as it is when the tests are not run by root. */
export async function asNobody<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  for (const path of paths) chownSync(path, nobody, nobody);
  process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
