// The same bound on open connections for both readers.

/** Runs `work` over all items, `bound` at a time; results in order. */
export async function eachOf<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  bound = 64,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const lanes = Array.from({ length: Math.min(bound, items.length) }, async () => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T);
    }
  });
  await Promise.all(lanes);
  return results;
}
