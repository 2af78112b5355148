/** The text in which LVM keeps its metadata: `name = value`, `name { ... }`, lists in brackets, comments behind `#`. */
import { unreadable } from './file-system';

export type LvmValue = string | number | readonly (string | number)[] | LvmSection;
export type LvmSection = Map<string, LvmValue>;

const DEPTH_MAX = 16;
const TOKEN = /\s*(?:#[^\n]*\n\s*)*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_.+-]+)|([={}[\],]))/y;

export function parseLvmText(text: string): LvmSection {
  const parser = new Parser(text);
  return parser.section(0);
}

export const sectionsOf = (value: LvmValue | undefined): [string, LvmSection][] =>
  value instanceof Map
    ? [...value].flatMap(([name, inner]): [string, LvmSection][] => (inner instanceof Map ? [[name, inner]] : []))
    : [];

/** 0 when it is no number that makes sense. */
export function numberOf(section: LvmSection, name: string): number {
  const value = section.get(name);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

export function textOf(section: LvmSection, name: string): string {
  const value = section.get(name);
  return typeof value === 'string' ? value : '';
}

interface Token {
  readonly text: string;
  readonly kind: 'text' | 'word' | 'sign';
}

class Parser {
  private readonly pattern = new RegExp(TOKEN);

  constructor(private readonly text: string) {}

  /** Up to the closing brace, or the end of the text at depth 0. */
  section(depth: number): LvmSection {
    if (depth > DEPTH_MAX) throw bad('its sections lie too deep');
    const section: LvmSection = new Map();
    for (;;) {
      const token = this.next();
      if (!token) {
        if (depth === 0) return section;
        throw bad('a section has no end');
      }
      if (token.text === '}' && token.kind === 'sign' && depth > 0) return section;
      if (token.kind !== 'word') throw bad(`a name is missing before ${JSON.stringify(token.text.slice(0, 20))}`);
      const sign = this.next();
      if (sign?.text === '{') section.set(token.text, this.section(depth + 1));
      else if (sign?.text === '=') section.set(token.text, this.value());
      else throw bad(`there is nothing behind ${token.text.slice(0, 40)}`);
    }
  }

  private value(): LvmValue {
    const token = this.next();
    if (token?.text !== '[' || token.kind !== 'sign') return scalar(token);
    const list: (string | number)[] = [];
    for (;;) {
      const item = this.next();
      if (item?.kind === 'sign' && item.text === ']') return list;
      if (item?.kind === 'sign' && item.text === ',') continue;
      list.push(scalar(item));
    }
  }

  private next(): Token | undefined {
    const match = this.pattern.exec(this.text);
    if (!match) return undefined;
    const [, text, word, sign] = match;
    if (text !== undefined) return { text: text.replaceAll(/\\(.)/g, '$1'), kind: 'text' };
    return word !== undefined ? { text: word, kind: 'word' } : { text: sign ?? '', kind: 'sign' };
  }
}

function scalar(token: Token | undefined): string | number {
  if (!token || token.kind === 'sign') throw bad('a value is missing');
  return token.kind === 'word' && /^-?\d+$/.test(token.text) ? Number(token.text) : token.text;
}

const bad = (why: string) => unreadable('the LVM metadata', why);
