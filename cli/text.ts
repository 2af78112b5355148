/** Text and figures for people. Names come from Azure and from callers, so nothing of them may move a cursor or forge a line. */

/** C0, C1 (0x9b starts an escape sequence too), DEL, line separators, and marks that reorder what follows them. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

/** The text on one line, with what a terminal would obey shown as an escape. */
export const plain = (text: string): string => text.replaceAll(UNSAFE, escaped);

/** JSON on one line whose strings a terminal cannot obey either: JSON itself leaves C1 and the reordering marks as they are. */
export const safeJson = (value: unknown): string => JSON.stringify(value).replaceAll(UNSAFE, escaped);

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** Three significant digits at most: "0 B", "1023 B", "1.5 GiB", "64 MiB". */
export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (Math.abs(value) >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit] ?? ''}`;
}

export const rate = (bytesPerSecond: number): string => `${bytes(bytesPerSecond)}/s`;

/** The two largest units: "45 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor((whole % 86_400) / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

/** How long ago an instant was; "in …" when it is yet to come. */
export function age(instant: string, nowMs: number): string {
  const seconds = (nowMs - Date.parse(instant)) / 1000;
  return seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

/** UTC to the second: sorts as text, and means the same to everybody who reads it. */
export const instant = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`;

/** The last part of an ARM id, which is what people call the thing. */
export const lastPart = (armId: string): string => armId.slice(armId.lastIndexOf('/') + 1);
