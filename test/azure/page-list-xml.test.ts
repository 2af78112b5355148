import fc from 'fast-check';
import { BadPageList, type ListedRange, PageListScan } from '../../shared/azure/page-list-xml';

interface Piece {
  readonly kind: 'page' | 'clear';
  readonly gapPages: number;
  readonly pages: number;
}

const pieces = fc.array(
  fc.record({
    kind: fc.constantFrom('page' as const, 'clear' as const),
    gapPages: fc.nat(5),
    pages: fc.integer({ min: 1, max: 9000 }),
  }),
  { maxLength: 40 },
);
const markers = fc.oneof(fc.constant(''), fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }));

/** The oracle: what the ranges are, computed without any XML. */
function expected(list: readonly Piece[]): ListedRange[] {
  let at = 0;
  return list.map(({ kind, gapPages, pages }) => {
    const start = at + gapPages * 512;
    at = start + pages * 512;
    return { kind, start, end: at };
  });
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function render(ranges: readonly ListedRange[], marker: string, blank: string): string {
  const items = ranges.map(({ kind, start, end }) => {
    const tag = kind === 'page' ? 'PageRange' : 'ClearRange';
    return `<${tag}>${blank}<Start>${start}</Start><End>${end - 1}</End></${tag}>${blank}`;
  });
  const next = marker === '' ? '<NextMarker/>' : `<NextMarker>${escaped(marker)}</NextMarker>`;
  return `\uFEFF<?xml version="1.0" encoding="utf-8"?>${blank}<PageList>${items.join('')}${next}</PageList>${blank}`;
}

function scan(document: string, cuts: readonly number[] = []): ReturnType<PageListScan['finish']> {
  const scanner = new PageListScan();
  const places = [...new Set(cuts.map((cut) => cut % (document.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, document.length]) {
    scanner.push(document.slice(from, place));
    from = place;
  }
  return scanner.finish();
}

describe('page list', () => {
  test('5,000 generated answers are read as the oracle says, however they are cut into pieces', () => {
    const any = fc.record({
      list: pieces,
      marker: markers.filter((marker) => marker.trim() === marker),
      blank: fc.constantFrom('', '\n', '  '),
      cuts: fc.array(fc.nat(100_000), { maxLength: 12 }),
    });
    fc.assert(
      fc.property(any, ({ list, marker, blank, cuts }) => {
        const ranges = expected(list);
        expect(scan(render(ranges, marker, blank), cuts)).toEqual({ ranges, nextMarker: marker });
      }),
      { numRuns: 5000 },
    );
  });

  test('no answer that was cut short is taken for a whole one', () => {
    fc.assert(
      fc.property(pieces, fc.nat(), (list, at) => {
        const document = render(expected(list), 'm', '');
        const cut = at % document.length;
        expect(() => scan(document.slice(0, cut))).toThrow(BadPageList);
      }),
      { numRuns: 1000 },
    );
  });

  test('damage is refused, or leaves the ranges as they were', () => {
    const damage = fc.record({
      list: pieces,
      at: fc.nat(),
      character: fc.constantFrom('<', '>', '/', 'x', ' ', '&', '-'),
    });
    fc.assert(
      fc.property(damage, ({ list, at, character }) => {
        const ranges = expected(list);
        const document = render(ranges, '', '');
        const place = at % document.length;
        let result: ReturnType<PageListScan['finish']>;
        try {
          result = scan(document.slice(0, place) + character + document.slice(place + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(BadPageList);
          return;
        }
        expect(result.ranges).toEqual(ranges);
      }),
      { numRuns: 2000 },
    );
  });

  const page = (start: number | string, end: number | string): string =>
    `<PageRange><Start>${start}</Start><End>${end}</End></PageRange>`;
  test.each([
    ['nothing', ''],
    ['another document', '<Error><Code>Nope</Code></Error>'],
    ['an unaligned start', `<PageList>${page(1, 511)}</PageList>`],
    ['an exclusive end', `<PageList>${page(0, 512)}</PageList>`],
    ['an end before the start', `<PageList>${page(1024, 511)}</PageList>`],
    ['an overlap', `<PageList>${page(0, 1023)}${page(512, 1535)}</PageList>`],
    ['a duplicate', `<PageList>${page(0, 511)}${page(0, 511)}</PageList>`],
    ['another order', `<PageList>${page(1024, 1535)}${page(0, 511)}</PageList>`],
    ['a sign', `<PageList>${page('-0', 511)}</PageList>`],
    ['hexadecimal', `<PageList>${page('0x0', 511)}</PageList>`],
    ['an offset beyond any disk', `<PageList>${page('9007199254740992', '9007199254741503')}</PageList>`],
    ['a range without end', '<PageList><PageRange><Start>0</Start></PageRange></PageList>'],
    ['two starts', '<PageList><PageRange><Start>0</Start><Start>0</Start><End>511</End></PageRange></PageList>'],
    ['mixed tags', '<PageList><PageRange><Start>0</Start><End>511</End></ClearRange></PageList>'],
    ['an unknown element', `<PageList>${page(0, 511)}<Surprise/></PageList>`],
    ['attributes', '<PageList><PageRange kind="x"><Start>0</Start><End>511</End></PageRange></PageList>'],
    ['a comment', `<PageList><!-- ${page(0, 511)} --></PageList>`],
    ['a doctype', '<!DOCTYPE PageList><PageList></PageList>'],
    ['text between ranges', `<PageList>x${page(0, 511)}</PageList>`],
    ['two markers', '<PageList><NextMarker>a</NextMarker><NextMarker/></PageList>'],
    ['a range behind the marker', `<PageList><NextMarker>a</NextMarker>${page(0, 511)}</PageList>`],
    ['a second document', '<PageList></PageList><PageList></PageList>'],
    ['a bad entity', '<PageList><NextMarker>&what;</NextMarker></PageList>'],
    ['a tag without end', `<PageList><${'x'.repeat(5000)}`],
  ])('%s is refused', (_name, document) => {
    expect(() => scan(document)).toThrow(BadPageList);
  });

  test('an empty list is an answer', () => {
    expect(scan('<PageList/>')).toEqual({ ranges: [], nextMarker: '' });
    expect(scan('<?xml version="1.0"?><PageList></PageList>')).toEqual({ ranges: [], nextMarker: '' });
  });
});
