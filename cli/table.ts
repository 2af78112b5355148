/** Tables for people: columns as wide as their content, cut to the terminal when there is one. */
import { stripVTControlCharacters } from 'node:util';
import { plain } from './text';

export interface Column<Row> {
  readonly title: string;
  /** The cell. What it returns is made harmless here, so names may be returned as they came. */
  readonly of: (row: Row) => string | number | undefined;
  readonly align?: 'left' | 'right';
  /** Colours a finished cell. */
  readonly paint?: (cell: string, row: Row) => string;
}

export interface TableOptions {
  /** Columns of the terminal; undefined when the output is no terminal, and then nothing is cut. */
  readonly width?: number | undefined;
  readonly heading: (title: string) => string;
}

/** No column is cut below this. */
const CUT_MIN = 12;
const GAP = '  ';

export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, heading }: TableOptions,
): string {
  const cells = rows.map((row) => columns.map(({ of }) => plain(String(of(row) ?? '-'))));
  const widths = shrunk(
    columns.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => widthOf(row[index] ?? '')))),
    width,
  );
  const line = (texts: readonly string[], paint: (text: string, index: number) => string): string =>
    texts
      .map((text, index) => {
        const to = widths[index] ?? 0;
        const shown = cut(text, to);
        const pad = ' '.repeat(Math.max(0, to - widthOf(shown)));
        const painted = paint(shown, index);
        return columns[index]?.align === 'right' ? pad + painted : painted + pad;
      })
      .join(GAP)
      .trimEnd();
  const head = line(
    columns.map(({ title }) => title),
    heading,
  );
  const body = cells.map((row, at) =>
    line(row, (text, index) => {
      const paint = columns[index]?.paint;
      const source = rows[at];
      return paint && source !== undefined ? paint(text, source) : text;
    }),
  );
  return [head, ...body].join('\n');
}

/** The widest column gives way first, until the line fits or nothing may be cut any more. */
function shrunk(widths: readonly number[], width: number | undefined): number[] {
  const result = [...widths];
  if (width === undefined) return result;
  for (;;) {
    const total = result.reduce((sum, each) => sum + each, GAP.length * (result.length - 1));
    const widest = Math.max(...result);
    if (total <= width || widest <= CUT_MIN) return result;
    result[result.indexOf(widest)] = Math.max(CUT_MIN, widest - (total - width));
  }
}

const cut = (text: string, to: number): string =>
  widthOf(text) <= to ? text : `${[...text].slice(0, Math.max(0, to - 1)).join('')}…`;

/** Code points: close enough for alignment, and never wrong about where a cell ends. */
const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;
