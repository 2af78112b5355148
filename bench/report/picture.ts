/** The wall times as a bar chart, in SVG written by hand: no library, readable on light and dark pages. */
import { type CaseName, caseNames } from '../rounds';
import { spread } from './statistics';
import type { Report } from './table';

const WIDTH = 860;
const LEFT = 250;
const BAR = 16;
const COLOURS: Readonly<Record<string, string>> = {
  'blockferry zstd 1': '#0b6e99',
  'blockferry zstd 3': '#5fa8c7',
  restic: '#b5651d',
  borg: '#8a8a3a',
};

export function picture(report: Report): string {
  const { results, machine } = report;
  const bars = caseNames.flatMap((name) =>
    [...results.samples].flatMap(([tool, cases]) => {
      const samples = cases.get(name);
      return samples ? [{ name, tool, wall: spread(samples.map(({ wallS }) => wallS)) }] : [];
    }),
  );
  const longest = Math.max(...bars.map(({ wall }) => wall.max));
  const scale = (WIDTH - LEFT - 90) / longest;
  const parts: string[] = [];
  let y = 64;
  let before: CaseName | undefined;
  for (const { name, tool, wall } of bars) {
    if (name !== before) {
      y += 18;
      parts.push(text(16, y + 12, name, 'font-weight="bold"'));
      before = name;
    }
    const length = wall.median * scale;
    const [from, to] = [LEFT + wall.min * scale, LEFT + wall.max * scale];
    parts.push(text(LEFT - 8, y + 12, tool, 'text-anchor="end"'));
    parts.push(
      `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${COLOURS[tool] ?? '#888888'}"/>`,
    );
    parts.push(`<path d="M${from.toFixed(1)} ${y + BAR / 2}H${to.toFixed(1)}" stroke="#444444"/>`);
    parts.push(text(Math.max(LEFT + length, to) + 6, y + 12, `${wall.median.toFixed(2)} s`));
    y += BAR + 5;
  }
  const title = `Wall time, median of ${results.rounds} interleaved rounds (line: min to max)`;
  const where = `${machine.cores} cores, ${machine.cpu}; ${machine.medium}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 16}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${y + 16}" fill="#ffffff"/>`,
    text(16, 28, title, 'font-size="16" font-weight="bold"'),
    text(16, 48, where, 'fill="#555555"'),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

const text = (x: number, y: number, words: string, extra = ''): string =>
  `<text x="${x.toFixed(0)}" y="${y}"${extra === '' ? '' : ` ${extra}`}>${escaped(words)}</text>`;

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
