/** How records are laid into table entities. Pure. */
import { AppError } from '../model/errors';

/** A string property of a table entity holds 32 Ki characters (64 KiB of UTF-16). */
const PART_CHARS = 32 * 1024;
/** An entity holds 1 MiB; the rest is for names and system properties. */
const VALUE_CHARS_MAX = 480 * 1024;

/**
 * Keys of tables may not hold / \ # ?. Each of these, and its neighbour in ASCII, becomes two characters, so that encoded
 * keys sort as the ids do and an encoded prefix is a prefix of the encoded id:
 *
 *   # -> $0   $ -> $1     . -> .0   / -> .1     > -> >0   ? -> >1     [ -> [0   \ -> [1
 */
const ESCAPES: Readonly<Record<string, string>> = {
  '#': '$0',
  $: '$1',
  '.': '.0',
  '/': '.1',
  '>': '>0',
  '?': '>1',
  '[': '[0',
  '\\': '[1',
};
const BY_ESCAPE = new Map(Object.entries(ESCAPES).map(([plain, escaped]) => [escaped, plain]));

/** Sorts behind every character that an encoded key may hold. */
export const BEHIND_ALL_KEYS = '\u00ff';

export function encodeKey(key: string): string {
  if (!/^[\x20-\x7e]{0,200}$/.test(key)) {
    throw new AppError('request.invalid', 'a record key is made of at most 200 printable ASCII characters');
  }
  return key.replace(/[#$./>?[\\]/g, (character) => ESCAPES[character] ?? character);
}

export const decodeKey = (encoded: string): string =>
  encoded.replace(/[$.>[][01]/g, (pair) => BY_ESCAPE.get(pair) ?? pair);

/** Properties v0, v1, ... with the pieces of the JSON text. `request.invalid` when it is too long for one entity. */
export function encodeValue(value: unknown): Record<string, string> {
  const json = JSON.stringify(value ?? null);
  if (json.length > VALUE_CHARS_MAX) {
    throw new AppError('request.invalid', `a record of ${json.length} characters is too long for a table entity`);
  }
  const parts: Record<string, string> = {};
  for (let index = 0; index * PART_CHARS < json.length; index++) {
    parts[`v${index}`] = json.slice(index * PART_CHARS, (index + 1) * PART_CHARS);
  }
  return parts;
}

export function decodeValue(entity: Readonly<Record<string, unknown>>): unknown {
  let json = '';
  for (let index = 0; typeof entity[`v${index}`] === 'string'; index++) json += entity[`v${index}`];
  return JSON.parse(json);
}
