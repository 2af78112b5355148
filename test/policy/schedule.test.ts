import fc from 'fast-check';
import { AppError } from '../../shared/model/errors';
import { checkSchedule, lastSlotAt, nextSlotAt } from '../../shared/policy/schedule';

const utc = (cron: string) => ({ cron, timeZone: 'UTC' });
const berlin = (cron: string) => ({ cron, timeZone: 'Europe/Berlin' });
const at = (iso: string): number => Date.parse(iso);

describe('slots', () => {
  test.each([
    ['0 0 2 * * *', '2026-11-22T01:59:59.999Z', '2026-11-21T02:00:00.000Z', '2026-11-22T02:00:00.000Z'],
    ['0 0 2 * * *', '2026-11-22T02:00:00.000Z', '2026-11-22T02:00:00.000Z', '2026-11-23T02:00:00.000Z'],
    ['0 */15 * * * *', '2026-11-22T02:16:00.500Z', '2026-11-22T02:15:00.000Z', '2026-11-22T02:30:00.000Z'],
    ['*/5 * * * * *', '2026-11-22T02:16:09.000Z', '2026-11-22T02:16:05.000Z', '2026-11-22T02:16:10.000Z'],
    ['0 0 3 * * SUN', '2026-11-20T00:00:00.000Z', '2026-11-15T03:00:00.000Z', '2026-11-22T03:00:00.000Z'],
    ['0 0 3 1 * *', '2026-11-20T00:00:00.000Z', '2026-11-01T03:00:00.000Z', '2026-12-01T03:00:00.000Z'],
  ])('%s at %s: last %s, next %s', (cron, now, last, next) => {
    expect(lastSlotAt(utc(cron), at(now))?.toISOString()).toBe(last);
    expect(nextSlotAt(utc(cron), at(now))?.toISOString()).toBe(next);
  });

  test('day and weekday must both match, as in Azure: Friday the 13th', () => {
    expect(nextSlotAt(utc('0 0 2 13 * 5'), at('2026-01-01T00:00:00Z'))?.toISOString()).toBe('2026-02-13T02:00:00.000Z');
  });

  test('a time zone moves the slots', () => {
    expect(nextSlotAt(berlin('0 0 2 * * *'), at('2026-07-01T12:00:00Z'))?.toISOString()).toBe(
      '2026-07-02T00:00:00.000Z',
    );
    expect(nextSlotAt(berlin('0 0 2 * * *'), at('2026-12-01T12:00:00Z'))?.toISOString()).toBe(
      '2026-12-02T01:00:00.000Z',
    );
  });

  test.each(['0 30 2 * * *', '0 0,30 2 * * *'])('%s: the skipped hour loses no night', (cron) => {
    const slots = slotsOf(cron, '2026-03-27T12:00:00Z', '2026-03-30T12:00:00Z');
    expect(new Set(slots.map((slot) => slot.slice(0, 10)))).toEqual(
      new Set(['2026-03-28', '2026-03-29', '2026-03-30']),
    );
  });

  test('the doubled hour runs once', () => {
    expect(slotsOf('0 30 2 * * *', '2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z')).toHaveLength(1);
  });

  test('the last slot before the next one is where we came from, over a year of changes of the clock', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('0 30 2 * * *', '0 0 */6 * * *', '0 15,45 1-3 * * *', '0 0 0 * * 1-5', '0 */10 * * * *'),
        fc.constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC'),
        fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') }),
        (cron, timeZone, now) => {
          const schedule = { cron, timeZone };
          const last = lastSlotAt(schedule, now);
          const next = nextSlotAt(schedule, now);
          expect(last && last.getTime() <= now).toBe(true);
          expect(next && next.getTime() > Math.floor(now / 1000) * 1000).toBe(true);
          // Nothing lies between the two, seen from either side.
          expect(nextSlotAt(schedule, last?.getTime() ?? 0)).toEqual(next);
          expect(lastSlotAt(schedule, (next?.getTime() ?? 0) - 1)).toEqual(last);
          expect(lastSlotAt(schedule, next?.getTime() ?? 0)).toEqual(next);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what is refused', () => {
  test.each([
    ['0 0 2 * *', 'cron', /5 fields/],
    ['', 'cron', /fields/],
    ['@daily', 'cron', /fields/],
    ['2026-11-22T02:00:00', 'cron', /fields/],
    ['61 0 2 * * *', 'cron', /second.*61/],
    ['0 0 25 * * *', 'cron', /hour/],
    ['0 0 2 L * *', 'cron', /day "L"/],
    ['0 0 2 ? * *', 'cron', /day/],
    ['0 0 2 * * 7', 'cron', /weekday "7"/],
    ['0 0 2 * * FRI#2', 'cron', /weekday/],
    ['0 0 2 30 2 *', 'cron', /never/],
    ['0 0 2 * JANUARY *', 'cron', /month/],
  ])('%s', (cron, field, why) => {
    expect(refusal(utc(cron))).toMatchObject({ code: 'request.invalid', context: { field } });
    expect(refusal(utc(cron)).message).toMatch(why);
  });

  test.each(['Mars/Olympus', '', '+02:00', '../etc/passwd'])('time zone %p', (timeZone) => {
    expect(refusal({ cron: '0 0 2 * * *', timeZone })).toMatchObject({ context: { field: 'timeZone' } });
  });

  test('any text is either a schedule or request.invalid', () => {
    const word = fc.stringMatching(/^[0-9*,/LWSUNMO#?-]{1,8}$/);
    const cron = fc.oneof(
      fc.string(),
      fc.tuple(word, word, word, word, word, word).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(cron, fc.oneof(fc.constant('UTC'), fc.string()), (text, timeZone) => {
        try {
          checkSchedule({ cron: text, timeZone });
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).code).toBe('request.invalid');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function slotsOf(cron: string, from: string, to: string): string[] {
  const slots: string[] = [];
  let slot = nextSlotAt(berlin(cron), at(from));
  while (slot && slot.getTime() < at(to)) {
    slots.push(slot.toISOString());
    slot = nextSlotAt(berlin(cron), slot.getTime());
  }
  return slots;
}

function refusal(schedule: { readonly cron: string; readonly timeZone: string }): AppError {
  try {
    checkSchedule(schedule);
  } catch (error) {
    return error as AppError;
  }
  throw new Error(`accepted: ${schedule.cron} in ${schedule.timeZone}`);
}
