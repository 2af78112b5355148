/**
 * The Range header of a request for a disk (RFC 9110, section 14). One range at a time; an end behind the disk is clamped,
 * because clients such as nbdkit ask for a byte more than there is.
 */
import type { ByteRange } from '../model/byte-range';

export interface RangeRequest {
  readonly sizeBytes: number;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly range: string | null;
  readonly ifRange: string | null;
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
}

export type RangeAnswer =
  | { readonly status: 200 | 206; readonly range: ByteRange }
  | { readonly status: 304 | 412 | 416 };

export function answerRange(request: RangeRequest): RangeAnswer {
  const { sizeBytes, etag, ifMatch, ifNoneMatch } = request;
  if (ifMatch !== null && !names(ifMatch, etag)) return { status: 412 };
  if (ifNoneMatch !== null && names(ifNoneMatch, etag)) return { status: 304 };
  const whole = { status: 200, range: { start: 0, end: sizeBytes } } as const;
  // Another version than the one the client has a part of: all of it. A date is never strong enough.
  if (request.range === null || (request.ifRange !== null && request.ifRange.trim() !== etag)) return whole;
  const wanted = parseRange(request.range);
  if (wanted === undefined) return whole;
  if (wanted === 'several') return { status: 416 };
  const range =
    'last' in wanted
      ? { start: Math.max(0, sizeBytes - wanted.last), end: sizeBytes }
      : { start: wanted.start, end: Math.min(sizeBytes, wanted.end) };
  return range.start < range.end ? { status: 206, range } : { status: 416 };
}

type Wanted = ByteRange | { readonly last: number };

/** undefined for what is no range of bytes: such a header is to be ignored. */
function parseRange(header: string): Wanted | 'several' | undefined {
  const set = /^\s*bytes\s*=\s*(.*?)\s*$/i.exec(header)?.[1];
  if (set === undefined) return undefined;
  const specs = set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length > 1) return 'several';
  const [, first = '', last = ''] = /^(\d{0,15})-(\d{0,15})$/.exec(specs[0] ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return { last: Number(last) };
  const end = last === '' ? Number.MAX_SAFE_INTEGER : Number(last) + 1;
  return end > Number(first) ? { start: Number(first), end } : undefined;
}

const names = (header: string, etag: string): boolean =>
  header.trim() === '*' || header.split(',').some((one) => one.trim() === etag || one.trim() === `W/${etag}`);
