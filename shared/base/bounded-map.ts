/**
 * Maps with at most `concurrency` calls under way, results in the order of the items. The first failure stops new calls,
 * waits for those under way (so that nothing runs on unseen), and is thrown.
 */
export async function boundedMap<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  concurrency: number,
  run: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let next = 0;
  let failed = false;
  let failure: unknown;
  const lane = async (): Promise<void> => {
    while (!failed) {
      try {
        const asked = iterator.next();
        const step = asked instanceof Promise ? await asked : asked;
        if (step.done || failed) return;
        const index = next++;
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
  if (failed) {
    await iterator.return?.();
    throw failure;
  }
  return results;
}
