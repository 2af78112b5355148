/**
 * When a policy is due. NCRONTAB with six fields (second minute hour day month weekday), in a time zone. As Azure's own timers
 * read it: day and weekday must both match, weekdays are 0-6 or names, and there is no L, W, # or ?.
 *
 * Daylight saving: a schedule of fixed hours whose time falls into the hour that is skipped runs right after it; one whose
 * time occurs twice runs once. A nightly backup is neither lost nor doubled.
 */
import { Cron } from 'croner';
import { AppError } from '../model/errors';

export interface Schedule {
  readonly cron: string;
  readonly timeZone: string;
}

const FIELDS = ['second', 'minute', 'hour', 'day', 'month', 'weekday'] as const;
const NUMERIC = /^[0-9*,/-]+$/;
const MONTHS = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC';
const WEEKDAYS = 'SUN|MON|TUE|WED|THU|FRI|SAT';
const MONTH = new RegExp(`^(?:[0-9*,/-]|${MONTHS})+$`, 'i');
const WEEKDAY = new RegExp(`^(?:[0-6*,/-]|${WEEKDAYS})+$`, 'i');
/** A step may be any number, also in the weekday field, whose days end at 6. */
const withoutSteps = (field: string): string => field.replaceAll(/\/\d+/g, '/');

/** `request.invalid` whose context `field` is `cron` or `timeZone`, with what is wrong in words. */
export function checkSchedule(schedule: Schedule): void {
  parse(schedule);
}

/** The newest slot at or before `nowMs` (epoch ms), or undefined when there never was one. Slots are whole seconds. */
export function lastSlotAt(schedule: Schedule, nowMs: number): Date | undefined {
  // croner looks strictly before the instant it is given, so a slot that is now needs the next second.
  const justAfter = new Date(Math.floor(nowMs / 1000) * 1000 + 1000);
  return parse(schedule).previousRuns(1, justAfter)[0];
}

/** The first slot after `nowMs` (epoch ms), or undefined when there is none to come. */
export function nextSlotAt(schedule: Schedule, nowMs: number): Date | undefined {
  return parse(schedule).nextRun(new Date(Math.floor(nowMs / 1000) * 1000)) ?? undefined;
}

function parse({ cron, timeZone }: Schedule): Cron {
  checkTimeZone(timeZone);
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) {
    throw invalid('cron', `has ${fields.length} fields, needs six: ${FIELDS.join(' ')}`);
  }
  for (const [index, name] of FIELDS.entries()) {
    const field = fields[index] ?? '';
    const allowed = name === 'month' ? MONTH : name === 'weekday' ? WEEKDAY : NUMERIC;
    const checked = name === 'weekday' ? withoutSteps(field) : field;
    if (!allowed.test(checked)) throw invalid('cron', `does not understand the ${name} ${JSON.stringify(field)}`);
  }
  let parsed: Cron;
  try {
    parsed = new Cron(fields.join(' '), {
      mode: '6-part',
      domAndDow: true,
      fixedTimeRule: 'no-wildcard',
      timezone: timeZone,
      paused: true,
    });
  } catch (error) {
    throw invalid('cron', reasonOf(error));
  }
  // 30 February parses and never comes: a schedule that can never run is a mistake, not a wish.
  if (parsed.nextRun(new Date(0)) === null) throw invalid('cron', 'never comes due');
  return parsed;
}

function checkTimeZone(timeZone: string): void {
  try {
    // Offsets such as "+02:00" are accepted by the platform but are no zone: they would ignore daylight saving silently.
    if (!/^[A-Za-z]/.test(timeZone)) throw new RangeError('not a name');
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw invalid('timeZone', `is no time zone such as Europe/Berlin: ${JSON.stringify(timeZone)}`);
  }
}

/** croner's messages name the field and the value, both of them the caller's own words. */
const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : 'cannot be read').replace(/^CronPattern: /, '');

const invalid = (field: 'cron' | 'timeZone', why: string): AppError =>
  new AppError('request.invalid', `${field} ${why}`, { context: { field } });
