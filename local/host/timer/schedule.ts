/** Schedules of timer triggers: NCRONTAB (five or six fields, UTC) or a time span between runs. */
import { Cron } from 'croner';
import { parseTimeSpan } from '../host-json';

export interface Schedule {
  /** The first occurrence after the instant. */
  next(after: Date): Date;
}

/** Throws when the text is neither form. */
export function parseSchedule(text: string): Schedule {
  const fields = text.trim().split(/\s+/);
  if (fields.length === 1) {
    const spanMs = parseTimeSpan(text);
    if (spanMs <= 0) {
      throw new Error(`The schedule "${text}" must be a positive time span.`);
    }
    return { next: (after) => new Date(after.getTime() + spanMs) };
  }
  if (fields.length !== 5 && fields.length !== 6) {
    throw new Error(`The schedule "${text}" must have five or six fields or be a time span.`);
  }
  // NCRONTAB means day of month AND day of week; most cron dialects mean OR.
  const cron = new Cron(text.trim(), { timezone: 'UTC', domAndDow: true, paused: true });
  return {
    next: (after) => {
      const at = cron.nextRun(after);
      if (at === null) {
        throw new Error(`The schedule "${text}" never occurs.`);
      }
      return at;
    },
  };
}
