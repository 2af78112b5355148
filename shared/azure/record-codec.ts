/** How records are laid into table entities. Pure. */
import { AppError } from '../model/errors';

/** A string property of a table entity holds 64 KiB of UTF-16, a binary one 64 KiB. */
const PART_CHARS = 32 * 1024;
const PART_BYTES = 64 * 1024;
/** An entity holds 1 MiB; the rest is for names and system properties. */
const TEXT_CHARS_MAX = 480 * 1024;
const BINARY_BYTES_MAX = 960 * 1024;

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

/** Properties of an entity that together hold one value. */
export type ValueParts = Record<string, string | Uint8Array>;

/**
 * Text v0, v1, ... while the JSON is ASCII; otherwise its UTF-8 bytes b0, b1, ...: long texts beyond ASCII came back damaged
 * where a piece of the transfer ended within a character. `request.invalid` when it is too long for one entity.
 */
export function encodeValue(value: unknown): ValueParts {
  const json = JSON.stringify(value ?? null);
  const bytes = Buffer.from(json, 'utf8');
  const ascii = bytes.length === json.length;
  if (bytes.length > (ascii ? TEXT_CHARS_MAX : BINARY_BYTES_MAX)) {
    throw new AppError('request.invalid', `a record of ${bytes.length} bytes is too long for a table entity`);
  }
  const parts: ValueParts = {};
  const step = ascii ? PART_CHARS : PART_BYTES;
  for (let start = 0, index = 0; start < bytes.length; start += step, index++) {
    if (ascii) parts[`v${index}`] = json.slice(start, start + step);
    else parts[`b${index}`] = new Uint8Array(bytes.subarray(start, start + step));
  }
  return parts;
}

export function decodeValue(entity: Readonly<Record<string, unknown>>): unknown {
  let json = '';
  for (let index = 0; typeof entity[`v${index}`] === 'string'; index++) json += entity[`v${index}`];
  const pieces: Uint8Array[] = [];
  for (let part = entity['b0']; part instanceof Uint8Array; part = entity[`b${pieces.length}`]) pieces.push(part);
  return JSON.parse(json === '' ? Buffer.concat(pieces).toString('utf8') : json);
}
