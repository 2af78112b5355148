/** Colours, when somebody sees them. They repeat what the words say and never carry a meaning alone. */
import { styleText } from 'node:util';

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** no-color.org: any non-empty NO_COLOR turns colours off, wherever the output goes. */
export function createPaint(terminal: boolean, environment: Readonly<Record<string, string | undefined>>): Paint {
  const on = terminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
  const style =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      on ? styleText(format, text, { validateStream: false }) : text;
  return { bold: style('bold'), dim: style('dim'), good: style('green'), warn: style('yellow'), bad: style('red') };
}
