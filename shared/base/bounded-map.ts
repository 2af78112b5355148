/**
 * Maps with at most `concurrency` calls under way, results in the order of the items. The first failure stops new calls,
 * waits for those under way (so that nothing runs on unseen), and is thrown.
 */
export async function boundedMap<Item, Result>(
  items: Iterable<Item>,
  concurrency: number,
  run: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const iterator = items[Symbol.iterator]();
  let next = 0;
  let failed = false;
  let failure: unknown;
  const lane = async (): Promise<void> => {
    while (!failed) {
      const step = iterator.next();
      if (step.done) return;
      const index = next++;
      try {
        results[index] = await run(step.value, index);
      } catch (error) {
        if (!failed) {
          failed = true;
          failure = error;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, concurrency) }, lane));
  if (failed) throw failure;
  return results;
}
