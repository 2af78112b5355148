/** Requests under way are found by trying: one more for a calm round, half at a complaint, and one complaint counts once. */
import { Pace } from '../../shared/base/pace';

const { signal } = new AbortController();
const complains = (error: unknown): boolean => error instanceof Error && error.message === 'slow down';
const ok = async (): Promise<void> => undefined;

async function failAtOnce(pace: Pace, count: number, message: string): Promise<void> {
  const together = Promise.withResolvers<void>();
  const runs = Array.from({ length: count }, () =>
    pace.run(signal, complains, async () => {
      await together.promise;
      throw new Error(message);
    }),
  );
  together.resolve();
  await Promise.allSettled(runs);
}

test('a storm of complaints about one burst halves once', async () => {
  const pace = new Pace(32);
  await failAtOnce(pace, 32, 'slow down');
  expect(pace.limit).toBe(16);
  await failAtOnce(pace, 16, 'slow down');
  expect(pace.limit).toBe(8);
  await failAtOnce(pace, 8, 'another failure');
  expect(pace.limit).toBe(8);
});

test('it never falls below one, and comes back by one a calm round up to its most', async () => {
  const pace = new Pace(4);
  for (let round = 0; round < 5; round++) await failAtOnce(pace, 1, 'slow down');
  expect(pace.limit).toBe(1);
  for (const [calm, limit] of [
    [1, 2],
    [2, 3],
    [3, 4],
    [20, 4],
  ] as const) {
    for (let run = 0; run < calm; run++) await pace.run(signal, complains, ok);
    expect(pace.limit).toBe(limit);
  }
});

test('no more than allowed run at a time, and who waits can give up', async () => {
  const pace = new Pace(2);
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  await Promise.all(Array.from({ length: 9 }, () => pace.run(signal, complains, work)));
  expect(most).toBe(2);
  const held = Promise.withResolvers<void>();
  const busy = [0, 1].map(() => pace.run(signal, complains, () => held.promise));
  const stop = new AbortController();
  const waiting = pace.run(stop.signal, complains, ok);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  held.resolve();
  await Promise.all(busy);
});
