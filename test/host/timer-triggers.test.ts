/** Timer triggers: schedules, the state on disk, missed runs, runs by hand. */

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseTimeSpan } from '../../local/host/host-json';
import { parseRetryPolicy } from '../../local/host/retry-policy';
import { parseSchedule } from '../../local/host/timer/schedule';
import { type HostProcess, notes, startHost, temporaryDir, until } from './host-process';

test.each([
  ['0 */5 * * * *', '2026-01-01T00:01:00Z', '2026-01-01T00:05:00.000Z'],
  ['0 30 9 * * 1-5', '2026-01-02T10:00:00Z', '2026-01-05T09:30:00.000Z'],
  ['*/15 * * * *', '2026-01-01T00:01:00Z', '2026-01-01T00:15:00.000Z'],
  ['0 0 0 1 * 1', '2026-01-02T00:00:00Z', '2026-06-01T00:00:00.000Z'],
  ['00:01:30', '2026-01-01T00:00:00Z', '2026-01-01T00:01:30.000Z'],
])('the schedule %s occurs after %s at %s', (text, after, next) => {
  expect(parseSchedule(text).next(new Date(after)).toISOString()).toBe(next);
});

test('malformed schedules and time spans are refused', () => {
  for (const text of ['', 'soon', '* * *', '99 * * * * *', '00:00:00']) {
    expect(() => parseSchedule(text)).toThrow();
  }
  expect(parseTimeSpan('1.02:03:04.5')).toBe(93_784_500);
  expect(() => parseTimeSpan('5')).toThrow(/time span/);
});

test('retry policies: a fixed delay, a growing one with its bounds, and malformed ones', () => {
  const fixed = parseRetryPolicy({ retryStrategy: 'fixedDelay', maxRetryCount: -1, delayInterval: { seconds: 5 } });
  expect([fixed?.retriesMax, fixed?.delayMs(1), fixed?.delayMs(9)]).toEqual([Number.POSITIVE_INFINITY, 5000, 5000]);
  const growing = parseRetryPolicy({
    retryStrategy: 'exponentialBackoff',
    maxRetryCount: 4,
    minimumInterval: { seconds: 2 },
    maximumInterval: { seconds: 10 },
  });
  expect([1, 2, 3, 4].map((retry) => growing?.delayMs(retry))).toEqual([2000, 4000, 8000, 10_000]);
  expect(parseRetryPolicy(undefined)).toBeUndefined();
  expect(() => parseRetryPolicy({ retryStrategy: 'sometimes', maxRetryCount: 1 })).toThrow(/retryStrategy/);
});

describe('on the host', () => {
  const scratch = temporaryDir();
  let host: HostProcess | undefined;

  afterEach(async () => {
    await host?.stop();
  });
  afterAll(() => scratch.remove());

  test('a timer fires by its %SETTING% schedule and knows its next occurrence', async () => {
    host = await startHost({ dir: scratch.dir, env: { TICK_SCHEDULE: '* * * * * *' } });
    await until(() => (notes(scratch.dir, 'ticks').length >= 2 ? true : undefined));
    expect(JSON.parse(notes(scratch.dir, 'ticks')[0] ?? '')).toEqual({ isPastDue: false, hasNext: true });
  });

  test('an occurrence missed while the host was down runs once, past due', async () => {
    host = await startHost({ dir: scratch.dir });
    await host.stop();
    // The same as waiting for a year: the stored next occurrence lies in the past.
    const db = new DatabaseSync(join(scratch.dir, 'state', 'host.db'));
    db.exec("UPDATE timers SET nextAt = '2020-01-01T00:00:00.000Z' WHERE name = 'tick'");
    db.close();
    const before = notes(scratch.dir, 'ticks').length;
    host = await startHost({ dir: scratch.dir });
    await until(() => (notes(scratch.dir, 'ticks').length > before ? true : undefined));
    await host.stop();
    host = await startHost({ dir: scratch.dir });
    expect(notes(scratch.dir, 'ticks').slice(before)).toEqual([JSON.stringify({ isPastDue: true, hasNext: true })]);
  });

  test('the master key runs a timer by hand; one that fails is tried again by its policy', async () => {
    host = await startHost({ dir: scratch.dir });
    const before = notes(scratch.dir, 'ticks').length;
    const path = '/admin/functions/tick';
    expect((await host.fetch(path, { method: 'POST', body: '{}' })).status).toBe(401);
    const headers = { 'x-functions-key': host.masterKey };
    expect((await host.fetch(path, { method: 'POST', body: '{"input":""}', headers })).status).toBe(202);
    await until(() => (notes(scratch.dir, 'ticks').length > before ? true : undefined));
    expect((await host.fetch(path, { method: 'POST', body: 'x', headers })).status).toBe(400);

    await host.fetch('/admin/functions/unsteady', { method: 'POST', body: '{}', headers });
    const logs = host.logs();
    await until(() => (logs.some((line) => /"host.timer".*run 2/.test(line)) ? true : undefined));
    expect(notes(scratch.dir, 'unsteady').map((line) => JSON.parse(line) as unknown)).toEqual([
      { retryCount: 0, maxRetryCount: 2, why: null },
      { retryCount: 1, maxRetryCount: 2, why: 'run 0' },
      { retryCount: 2, maxRetryCount: 2, why: 'run 1' },
    ]);
  });
});
