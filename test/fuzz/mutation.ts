/**
 * Mutations of valid encodings, as a decoder's enemies make them: bits, cuts, repeats, pieces of another encoding, and
 * numbers in places where numbers stand. `at` and `value` are taken modulo whatever there is.
 */
import fc from 'fast-check';
import { AppError, type ErrorCode } from '../../shared/model/errors';

export interface Edit {
  readonly op: (typeof operations)[number];
  readonly at: number;
  readonly value: number;
}

const operations = ['flip', 'set', 'insert', 'remove', 'repeat', 'cut', 'splice', 'number', 'grow'] as const;

export const edits = (maxLength = 4): fc.Arbitrary<Edit[]> =>
  fc.array(fc.record({ op: fc.constantFrom(...operations), at: fc.nat(), value: fc.nat() }), {
    minLength: 0,
    maxLength,
  });

/** Edges of varints, of u16 and u32 fields, and encodings that are longer than they need to be. */
const numbers = [
  '00',
  '01',
  '02',
  '7f',
  '8001',
  'ff01',
  'ff7f',
  '808001',
  'ffff03',
  'ffffff7f',
  'ffffffff0f',
  '8080808010',
  'ffffffffffffff0f',
  'ffffffffffffff7f',
  'ffffffffffffffffff01',
  '8000',
  '808080808080808000',
  'ffffffff',
  '00000080',
].map((hex) => Buffer.from(hex, 'hex'));

export function mutate(valid: Buffer, other: Buffer, changes: readonly Edit[]): Buffer {
  let bytes = Buffer.from(valid);
  for (const { op, at: wish, value } of changes) {
    const at = bytes.length === 0 ? 0 : wish % bytes.length;
    const length = 1 + (value % 40);
    const rest = (from: number): Buffer => bytes.subarray(from);
    const until = bytes.subarray(0, at);
    if (op === 'flip' && bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << (value % 8));
    else if (op === 'set' && bytes.length > 0) bytes[at] = value % 256;
    else if (op === 'insert') bytes = Buffer.concat([until, Buffer.alloc(length, value), rest(at)]);
    else if (op === 'remove') bytes = Buffer.concat([until, rest(at + length)]);
    else if (op === 'repeat') bytes = Buffer.concat([until, rest(at).subarray(0, length), rest(at)]);
    else if (op === 'cut') bytes = Buffer.from(until);
    else if (op === 'splice') bytes = Buffer.concat([until, other.subarray(value % (other.length + 1))]);
    else if (op === 'number') {
      const number = numbers[value % numbers.length] ?? Buffer.alloc(0);
      bytes = Buffer.concat([until, number, rest(at + 1 + (value % 3))]);
    } else if (op === 'grow') bytes = Buffer.concat([bytes, Buffer.alloc(length, wish)]);
  }
  return bytes;
}

export const damageCodes: readonly ErrorCode[] = [
  'manifest.corrupt',
  'pack.corrupt',
  'format.unknown',
  'key.wrong',
  'key.corrupt',
];

/** The result, or the code of a typed error about damage. Anything else that is thrown is a decoder that tripped. */
export function attempt<Value>(
  run: () => Value,
): { readonly value: Value; readonly code?: undefined } | { readonly value?: undefined; readonly code: ErrorCode } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof AppError) || !damageCodes.includes(error.code)) throw error;
    return { code: error.code };
  }
}
