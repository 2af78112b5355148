/**
 * A streaming scan of the answer to Get Page Ranges [Diff] (Azure REST):
 *
 *   <PageList> <PageRange><Start>0</Start><End>511</End></PageRange> <ClearRange>...</ClearRange> ... <NextMarker/> </PageList>
 *
 * Both kinds of range come interleaved in offset order, and `End` is inclusive: here it becomes half-open. The scan accepts
 * this grammar and nothing else. What it does not understand is an error, never "no ranges": a range missed is data lost.
 */
import { limits } from '../model/limits';

export interface ListedRange {
  readonly kind: 'page' | 'clear';
  /** Half-open, multiples of 512. */
  readonly start: number;
  readonly end: number;
}

/** Says what is wrong with the document; the caller turns it into `source.bad-ranges`. */
export class BadPageList extends Error {
  override readonly name = 'BadPageList';
}

type State = 'prolog' | 'list' | 'range' | 'start' | 'end' | 'marker' | 'done';

/** Longest run of text or tag that can be part of a sound answer. */
const TOKEN_CHARS_MAX = 4096;

export class PageListScan {
  private state: State = 'prolog';
  private pending = '';
  private text = '';
  private kind: ListedRange['kind'] = 'page';
  private startText: string | undefined;
  private endText: string | undefined;
  private lastEnd = 0;
  private readonly found: ListedRange[] = [];
  private marker = '';
  private sawMarker = false;

  push(chunk: string): void {
    this.pending += chunk;
    let at = 0;
    for (;;) {
      const open = this.pending.indexOf('<', at);
      const textEnd = open === -1 ? this.pending.length : open;
      this.addText(this.pending.slice(at, textEnd));
      at = textEnd;
      if (open === -1) break;
      const close = this.pending.indexOf('>', open);
      if (close === -1) break;
      this.tag(this.pending.slice(open + 1, close));
      at = close + 1;
    }
    this.pending = this.pending.slice(at);
    if (this.pending.length > TOKEN_CHARS_MAX) throw new BadPageList('a tag without end');
  }

  /** The ranges in offset order and the marker of the next page ('' when this was the last). */
  finish(): { readonly ranges: readonly ListedRange[]; readonly nextMarker: string } {
    if (this.state !== 'done' || this.pending !== '') throw new BadPageList('the document ends before </PageList>');
    return { ranges: this.found, nextMarker: this.marker };
  }

  private addText(text: string): void {
    if (text === '') return;
    if (this.state === 'start' || this.state === 'end' || this.state === 'marker') {
      this.text += text;
      if (this.text.length > TOKEN_CHARS_MAX) throw new BadPageList('a text without end');
      return;
    }
    const blank = this.state === 'prolog' ? /^[\uFEFF\s]*$/ : /^\s*$/;
    if (!blank.test(text)) throw new BadPageList('text between elements');
  }

  private tag(tag: string): void {
    if (tag.startsWith('?xml') && tag.endsWith('?') && this.state === 'prolog') return;
    const name = tag.trimEnd();
    const next = TRANSITIONS[this.state][name];
    if (next === undefined)
      throw new BadPageList(`<${/^[\w/ ]{1,40}$/.test(name) ? name : '...'}> is not expected here`);
    this.enter(name);
    this.state = next;
  }

  private enter(name: string): void {
    switch (name) {
      case 'PageRange':
      case 'ClearRange':
        this.kind = name === 'PageRange' ? 'page' : 'clear';
        this.startText = undefined;
        this.endText = undefined;
        return;
      case 'Start':
      case 'End':
        this.text = '';
        return;
      case 'NextMarker':
        this.text = '';
        this.oneMarker();
        return;
      case 'NextMarker/':
      case 'NextMarker /':
        this.oneMarker();
        return;
      case '/Start':
        if (this.startText !== undefined) throw new BadPageList('two starts in one range');
        this.startText = this.text;
        return;
      case '/End':
        if (this.endText !== undefined) throw new BadPageList('two ends in one range');
        this.endText = this.text;
        return;
      case '/NextMarker':
        this.marker = decodeText(this.text);
        return;
      case '/PageRange':
      case '/ClearRange':
        this.range(name === '/PageRange' ? 'page' : 'clear');
        return;
    }
  }

  private oneMarker(): void {
    if (this.sawMarker) throw new BadPageList('two markers');
    this.sawMarker = true;
  }

  private range(closing: ListedRange['kind']): void {
    if (closing !== this.kind) throw new BadPageList('a range closed by the tag of the other kind');
    if (this.sawMarker) throw new BadPageList('a range behind the marker');
    const start = offsetOf(this.startText);
    const end = offsetOf(this.endText) + 1; // inclusive on the wire, half-open with us
    if (start % limits.pageBytes !== 0 || end % limits.pageBytes !== 0) {
      throw new BadPageList(`range ${start}..${end} is not made of whole pages`);
    }
    if (end <= start) throw new BadPageList(`range ${start}..${end} ends before it starts`);
    if (start < this.lastEnd) throw new BadPageList(`range ${start}..${end} overlaps or precedes the one before`);
    this.lastEnd = end;
    this.found.push({ kind: this.kind, start, end });
  }
}

const IN_RANGE = { Start: 'start', End: 'end', '/PageRange': 'list', '/ClearRange': 'list' } as const;

const TRANSITIONS: Readonly<Record<State, Readonly<Record<string, State>>>> = {
  prolog: { PageList: 'list', 'PageList/': 'done', 'PageList /': 'done' },
  list: {
    PageRange: 'range',
    ClearRange: 'range',
    NextMarker: 'marker',
    'NextMarker/': 'list',
    'NextMarker /': 'list',
    '/PageList': 'done',
  },
  range: IN_RANGE,
  start: { '/Start': 'range' },
  end: { '/End': 'range' },
  marker: { '/NextMarker': 'list' },
  done: {},
};

function offsetOf(text: string | undefined): number {
  const digits = text ?? '';
  const value = Number(digits);
  if (!/^\d{1,16}$/.test(digits) || value > limits.diskBytesMax * 2) throw new BadPageList('an offset is not a number');
  return value;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(/&([^;]{0,10};?)/g, (_all, entity: string) => {
    const name = entity.replace(/;$/, '');
    const known = ENTITIES[name];
    if (known !== undefined && entity.endsWith(';')) return known;
    const code = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name);
    const point = code ? Number.parseInt(code[1] ?? code[2] ?? '', code[1] ? 16 : 10) : Number.NaN;
    if (!entity.endsWith(';') || !(point > 0 && point <= 0x10ffff)) throw new BadPageList('a marker with a bad entity');
    return String.fromCodePoint(point);
  });
}
