/**
 * What JSON.parse lets through and we do not: nesting without end, a key twice in one object (two readers may see two
 * values), and `__proto__` (harmless here, a trap for whoever copies the object on).
 *
 * Runs before JSON.parse, so the text may be anything: it never throws on malformed text, JSON.parse judges that.
 */
import { pointerOf } from './problem';

export interface JsonFlaw {
  readonly pointer: string;
  readonly message: string;
}

interface Level {
  /** Keys of an object so far; undefined for an array. */
  readonly keys: Set<string> | undefined;
  /** The key or index we are at. */
  at: string | number;
  /** The next string is a key. */
  keyNext: boolean;
}

/** The first flaw of the text, or undefined. Linear in its length. */
export function findJsonFlaw(text: string, depthMax: number): JsonFlaw | undefined {
  const levels: Level[] = [];
  const pointer = (): string => pointerOf(levels.map((level) => level.at));
  for (let position = 0; position < text.length; position++) {
    const level = levels.at(-1);
    switch (text[position]) {
      case '"': {
        const end = endOfString(text, position);
        if (level?.keys && level.keyNext) {
          level.at = keyOf(text.slice(position, end));
          level.keyNext = false;
          if (level.at === '__proto__') return { pointer: pointer(), message: 'this name is not allowed' };
          if (level.keys.has(level.at)) return { pointer: pointer(), message: 'the field is given twice' };
          level.keys.add(level.at);
        }
        position = end - 1;
        break;
      }
      case '{':
      case '[':
        if (levels.length >= depthMax) return { pointer: pointer(), message: `nested deeper than ${depthMax}` };
        levels.push(
          text[position] === '{'
            ? { keys: new Set(), at: '', keyNext: true }
            : { keys: undefined, at: 0, keyNext: false },
        );
        break;
      case '}':
      case ']':
        levels.pop();
        break;
      case ',':
        if (level?.keys) level.keyNext = true;
        else if (level && typeof level.at === 'number') level.at += 1;
        break;
    }
  }
  return undefined;
}

/** Position behind the closing quote, or the end of the text. */
function endOfString(text: string, open: number): number {
  for (let position = open + 1; position < text.length; position++) {
    if (text[position] === '\\') position += 1;
    else if (text[position] === '"') return position + 1;
  }
  return text.length;
}

/** Escapes resolved, so that "a" and "\u0061" are one key. */
function keyOf(literal: string): string {
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}
