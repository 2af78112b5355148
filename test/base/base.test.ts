import { boundedMap } from '../../shared/base/bounded-map';
import type { Clock } from '../../shared/base/clock';
import { jsonLogger } from '../../shared/base/logger';
import { retry } from '../../shared/base/retry';
import { AppError, retryVerdict } from '../../shared/model/errors';

const instant = (slept: number[]): Clock => ({
  now: () => 0,
  monotonicMs: () => 0,
  sleep: async (delayMs) => void slept.push(delayMs),
});

test('boundedMap keeps order, never exceeds its bound, and waits for what is under way before it throws', async () => {
  let running = 0;
  let peak = 0;
  const results = await boundedMap([5, 1, 3, 2, 4], 2, async (value) => {
    peak = Math.max(peak, ++running);
    await new Promise((resolve) => setTimeout(resolve, value));
    running -= 1;
    return value * 10;
  });
  expect(results).toEqual([50, 10, 30, 20, 40]);
  expect(peak).toBe(2);

  let finished = 0;
  await expect(
    boundedMap([1, 2, 3, 4, 5, 6], 2, async (value) => {
      if (value === 1) throw new Error('first');
      await new Promise((resolve) => setTimeout(resolve, 5));
      finished += 1;
    }),
  ).rejects.toThrow('first');
  expect(finished).toBe(1);
});

test('boundedMap takes what comes from a generator as it comes, and ends it when one fails', async () => {
  let given = 0;
  let ended = false;
  const source = async function* (): AsyncGenerator<number> {
    try {
      for (; given < 5; ) yield given++;
    } finally {
      ended = true;
    }
  };
  expect(await boundedMap(source(), 2, async (value) => value * 10)).toEqual([0, 10, 20, 30, 40]);
  [given, ended] = [0, false];
  const failing = boundedMap(source(), 2, (value) =>
    value === 1 ? Promise.reject(new Error('one')) : Promise.resolve(),
  );
  await expect(failing).rejects.toThrow('one');
  expect(ended).toBe(true);
  expect(given).toBeLessThan(5);
  const broken = async function* (): AsyncGenerator<number> {
    yield 1;
    throw new Error('the source');
  };
  await expect(boundedMap(broken(), 3, async (value) => value)).rejects.toThrow('the source');
});

test('retry repeats what may succeed, honours the wish of the server, and stops at a permanent error', async () => {
  const slept: number[] = [];
  const hooks = { clock: instant(slept), random: () => 0.5, verdict: retryVerdict };
  const rule = { attemptsMax: 4, firstDelayMs: 100, delayMsMax: 300 };
  let tries = 0;
  const value = await retry(rule, hooks, async () => {
    tries += 1;
    if (tries === 1) throw new AppError('cloud.throttled', 'slow down', { retryable: true, retryAfterMs: 5000 });
    if (tries === 2) throw new AppError('cloud.unavailable', 'reset', { retryable: true });
    return 'done';
  });
  expect(value).toBe('done');
  expect(slept).toEqual([5050, 100]);

  await expect(retry(rule, hooks, () => Promise.reject(new AppError('cloud.denied', 'no')))).rejects.toThrow(
    '[cloud.denied]',
  );
  expect(slept).toHaveLength(2);
  await expect(retry(rule, hooks, () => Promise.reject(new TypeError('our bug')))).rejects.toThrow('our bug');
  expect(slept).toHaveLength(2);
});

test('a log entry is one line whatever a name holds', () => {
  const lines: string[] = [];
  jsonLogger(
    (line) => lines.push(line),
    () => 0,
  ).warn('vm\n{"level":"info"}', { vm: 'a\u001b[31m\nb' });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', vm: 'a\u001b[31m\nb' });
});
