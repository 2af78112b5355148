/**
 * The answer to `GET` and `HEAD` of a disk's raw bytes: what programs such as nbdkit, qemu-img and curl read it through. Web
 * servers differ; what is answered does not.
 */
import type { ByteRange } from '../model/byte-range';
import { MIB } from '../model/limits';
import type { BlockSource } from './block-source';
import { answerRange } from './http-range';

export interface RawRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
}

export interface RawAnswer {
  readonly status: 200 | 206 | 304 | 412 | 413 | 416;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent for HEAD and for what has no content. */
  readonly content?: AsyncIterable<Buffer>;
}

export interface RawDiskOptions {
  readonly source: BlockSource;
  readonly contentTag: string;
  readonly signal: AbortSignal;
  /** The most that one answer carries: 413 for a request of more, which says so. No bound without it. */
  readonly answerBytesMax?: number;
}

/** Read and handed on at a time; the web server's backpressure is felt between two. */
const PIECE_BYTES = 2 * MIB;

/** The first piece is read before it resolves: what is damaged there is an error, not an answer that breaks off. */
export async function rawAnswer(request: RawRequest, options: RawDiskOptions): Promise<RawAnswer> {
  const { source, signal, answerBytesMax = Number.POSITIVE_INFINITY } = options;
  const etag = `"${options.contentTag}"`;
  const header = (name: string): string | null => request.headers.get(name);
  const answer = answerRange({
    sizeBytes: source.sizeBytes,
    etag,
    range: header('range'),
    ifRange: header('if-range'),
    ifMatch: header('if-match'),
    ifNoneMatch: header('if-none-match'),
  });
  const common = { 'accept-ranges': 'bytes', etag };
  if (answer.status === 416) {
    return { status: 416, headers: { ...common, 'content-range': `bytes */${source.sizeBytes}` } };
  }
  if (!('range' in answer)) return { status: answer.status, headers: common };
  const { status, range } = answer;
  const length = range.end - range.start;
  const isHead = request.method === 'HEAD';
  if (!isHead && length > answerBytesMax) return { status: 413, headers: common };
  return {
    status,
    headers: {
      ...common,
      'content-type': 'application/octet-stream',
      'content-length': String(length),
      ...(status === 206 ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${source.sizeBytes}` } : {}),
    },
    ...(isHead ? {} : { content: await begun(readPieces(source, range, signal)) }),
  };
}

/** A range piece by piece. */
export async function* readPieces(source: BlockSource, range: ByteRange, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let start = range.start; start < range.end; ) {
    signal?.throwIfAborted();
    const end = Math.min(range.end, start + PIECE_BYTES);
    yield await source.read(start, end - start, signal);
    start = end;
  }
}

/** A stream whose first piece is there already. */
export async function begun(pieces: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  const first = await pieces.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* pieces;
  })();
}
