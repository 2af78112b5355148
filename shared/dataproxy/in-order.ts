/**
 * Starts up to `ahead` tasks at a time and hands their results over in the order of the items. When one fails, or the
 * consumer stops, the others are aborted and waited for: nothing runs on unseen, and what they had come to is discarded.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  ahead: number,
  signal: AbortSignal,
  start: (item: Item, signal: AbortSignal) => Promise<Result>,
  discard: (result: Result) => void = () => undefined,
): AsyncGenerator<{ readonly item: Item; readonly result: Result }> {
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  const iterator = items[Symbol.iterator]();
  const underWay: { readonly item: Item; readonly result: Promise<Result> }[] = [];
  try {
    for (;;) {
      signal.throwIfAborted();
      while (underWay.length < ahead) {
        const step = iterator.next();
        if (step.done) break;
        const result = start(step.value, inner);
        // Its error is taken where its turn comes; until then it must not count as unhandled.
        result.catch(() => undefined);
        underWay.push({ item: step.value, result });
      }
      const next = underWay.shift();
      if (!next) return;
      yield { item: next.item, result: await next.result };
    }
  } finally {
    stop.abort();
    for (const left of await Promise.allSettled(underWay.map(({ result }) => result))) {
      if (left.status === 'fulfilled') discard(left.value);
    }
  }
}
