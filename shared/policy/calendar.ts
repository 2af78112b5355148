/** Which hour, day, week, month or year an instant belongs to, in a time zone. Keys are equal exactly within one period. */
export const periods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type Period = (typeof periods)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** `atMs`: epoch ms. Hours are of the absolute clock: one that daylight saving repeats is two. Weeks begin on Monday. */
export function periodKey(period: Period, atMs: number, timeZone: string): string {
  if (period === 'hourly') return String(Math.floor(atMs / HOUR_MS));
  const day = localDay(atMs, timeZone);
  switch (period) {
    case 'daily':
      return day;
    case 'weekly':
      // 1970-01-01 was a Thursday: three days on, weeks begin with Monday.
      return String(Math.floor((Date.parse(`${day}T00:00:00Z`) / DAY_MS + 3) / 7));
    case 'monthly':
      return day.slice(0, 7);
    case 'yearly':
      return day.slice(0, 4);
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** `YYYY-MM-DD` as a calendar on the wall there shows it. */
function localDay(atMs: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  return `${parts['year']?.padStart(4, '0')}-${parts['month']}-${parts['day']}`;
}
