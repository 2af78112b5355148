/** What comes from Azure: lists of page ranges and VHD footers, held against a second, plain reading of the same bytes. */
import fc from 'fast-check';
import { BadPageList, type ListedRange, PageListScan } from '../../shared/azure/page-list-xml';
import { isVhdFooter, vhdFooter } from '../../shared/azure/vhd-footer';
import { propertyMs, runsOf } from './budget';
import { edits, mutate } from './mutation';

jest.setTimeout(propertyMs);

interface PageList {
  readonly ranges: readonly ListedRange[];
  readonly nextMarker: string;
}

function scan(text: string, cuts: readonly number[]): PageList | undefined {
  const scanner = new PageListScan();
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  try {
    for (let at = 1; at < places.length; at++) scanner.push(text.slice(places[at - 1], places[at]));
    return scanner.finish();
  } catch (error) {
    if (error instanceof BadPageList) return undefined;
    throw error;
  }
}

/** The grammar as one expression, and the rules one by one: slow, whole, and not the product's way of doing it. */
function readPlainly(text: string): PageList | undefined {
  const range =
    /\s*<(PageRange|ClearRange)\s*>\s*<Start\s*>(\d{1,16})<\/Start\s*>\s*<End\s*>(\d{1,16})<\/End\s*>\s*<\/\1\s*>/;
  const other =
    /\s*<(PageRange|ClearRange)\s*>\s*<End\s*>(\d{1,16})<\/End\s*>\s*<Start\s*>(\d{1,16})<\/Start\s*>\s*<\/\1\s*>/;
  const open = /^[\uFEFF\s]*(?:<\?xml[^>]*\?>[\uFEFF\s]*)*(<PageList\s*>|<PageList ?\/\s*>)/.exec(text);
  if (!open) return undefined;
  let rest = text.slice(open[0].length);
  if (open[1]?.includes('/')) return /^\s*$/.test(rest) ? { ranges: [], nextMarker: '' } : undefined;
  const ranges: ListedRange[] = [];
  for (;;) {
    const [forward, backward] = [range.exec(rest), other.exec(rest)];
    const match = forward?.index === 0 ? forward : backward?.index === 0 ? backward : undefined;
    if (!match) break;
    const [first, second] = [Number(match[2]), Number(match[3])];
    const [start, end] = match === forward ? [first, second + 1] : [second, first + 1];
    ranges.push({ kind: match[1] === 'PageRange' ? 'page' : 'clear', start, end });
    rest = rest.slice(match[0].length);
  }
  const tail = /^\s*(?:<NextMarker ?\/\s*>|<NextMarker\s*>([^<]*)<\/NextMarker\s*>)?\s*<\/PageList\s*>\s*$/.exec(rest);
  if (!tail) return undefined;
  let last = 0;
  for (const { start, end } of ranges) {
    if (start < last || end <= start || start % 512 !== 0 || end % 512 !== 0 || end > 2 ** 47 + 1) return undefined;
    last = end;
  }
  return { ranges, nextMarker: tail[1] ?? '' };
}

const space = fc.constantFrom('', '', '', ' ', '\n  ', '\r\n');
const pageList = fc
  .tuple(
    fc.array(
      fc.record({
        gap: fc.nat(1_000),
        pages: fc.integer({ min: 1, max: 10_000 }),
        clear: fc.boolean(),
        swap: fc.boolean(),
      }),
      { maxLength: 8 },
    ),
    fc.option(fc.stringMatching(/^[A-Za-z0-9!+/=-]{0,30}$/)),
    fc.array(space, { minLength: 8, maxLength: 8 }),
    fc.constantFrom('', '\uFEFF', '<?xml version="1.0" encoding="utf-8"?>', '\uFEFF<?xml version="1.0"?>\n'),
  )
  .map(([items, marker, spaces, head]) => {
    const [a, b, c, d, e, f, g, h] = spaces;
    let at = 0;
    const ranges: ListedRange[] = items.map(({ gap, pages, clear }) => {
      const start = at + gap * 512;
      at = start + pages * 512;
      return { kind: clear ? 'clear' : 'page', start, end: at };
    });
    const body = ranges.map(({ kind, start, end }, index) => {
      const name = kind === 'page' ? 'PageRange' : 'ClearRange';
      const parts = [`<Start>${start}</Start>`, `<End>${end - 1}</End>`];
      return `<${name}>${b}${(items[index]?.swap ? parts.reverse() : parts).join(c)}${d}</${name}>`;
    });
    const next = marker === null ? '' : marker === '' ? '<NextMarker/>' : `<NextMarker>${marker}</NextMarker>`;
    return { text: `${head}<PageList>${a}${body.join(e)}${f}${next}${g}</PageList>${h}`, ranges, marker: marker ?? '' };
  });

test('a list of page ranges is read as it is meant, however it arrives, or refused', () => {
  fc.assert(
    fc.property(pageList, pageList, fc.array(fc.nat(), { maxLength: 5 }), edits(3), (list, other, cuts, changes) => {
      expect(scan(list.text, cuts)).toEqual({ ranges: list.ranges, nextMarker: list.marker });
      const text = mutate(Buffer.from(list.text), Buffer.from(other.text), changes).toString('utf8');
      const result = scan(text, cuts);
      expect(result).toEqual(scan(text, []));
      if (!text.includes('&')) expect(result).toEqual(readPlainly(text));
    }),
    runsOf('pageLists'),
  );
});

test('markers with entities come back as text, and a bad entity is refused', () => {
  const wrap = (marker: string): string => `<PageList><NextMarker>${marker}</NextMarker></PageList>`;
  expect(scan(wrap('a&amp;b&#x41;&#66;&lt;'), [5, 30])?.nextMarker).toBe('a&bAB<');
  for (const bad of ['&', '&;', '&nope;', '&#0;', '&#x110000;', '&#99999999;', '&amp', '&#xffffffff;'])
    expect(scan(wrap(bad), [])).toBeUndefined();
});

test('endless texts, tags and white space are not collected', () => {
  const endless = ['<PageList><NextMarker>', '<PageList><PageRange><Start>', '<PageList><'];
  for (const start of endless) {
    const scanner = new PageListScan();
    scanner.push(start);
    expect(() => {
      for (let count = 0; count < 10_000; count++) scanner.push('1'.repeat(100));
    }).toThrow(BadPageList);
  }
  const scanner = new PageListScan();
  scanner.push('<PageList>');
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < 4_000; count++) scanner.push(' '.repeat(65_536));
  scanner.push('</PageList>');
  expect(scanner.finish().ranges).toEqual([]);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(128 * 2 ** 20);
});

/** The specification's own words: one's complement of the sum of all bytes but the checksum's. */
const isFixedFooter = (bytes: Buffer): boolean => {
  if (bytes.length !== 512 || bytes.toString('latin1', 0, 8) !== 'conectix' || bytes.readUInt32BE(60) !== 2)
    return false;
  const others = Buffer.concat([bytes.subarray(0, 64), bytes.subarray(68)]);
  return others.reduce((sum, byte) => sum + byte, 0) + bytes.readUInt32BE(64) === 2 ** 32 - 1;
};

test('a VHD footer is one by the rules of the specification, and only then', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 37 }),
      fc.string({ maxLength: 10 }),
      edits(2),
      (pages, name, changes) => {
        const footer = vhdFooter(pages * 512, name);
        expect(isFixedFooter(footer)).toBe(true);
        const bytes = mutate(footer, footer, changes);
        expect(isVhdFooter(bytes)).toBe(isFixedFooter(bytes));
      },
    ),
    runsOf('footers'),
  );
});
