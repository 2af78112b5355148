/**
 * The `aws-chunked` body coding:
 *
 *   <hex size>[;chunk-signature=<hex>]\r\n <data> \r\n ... 0[;chunk-signature=<hex>]\r\n <trailer>:<value>\r\n ... \r\n
 *
 * Each signed chunk's signature covers the one before it, beginning with the request's own ("seed") signature.
 */
import { createHash } from 'node:crypto';
import { AwsError } from './aws-error';
import { sameText, sha256Hex, sign } from './sigv4';

const LINE_BYTES_MAX = 16 * 1024;

/** How to check chunk signatures; absent for the unsigned variant. */
export interface ChunkSigner {
  readonly key: Buffer;
  readonly stamp: string;
  readonly scope: string;
  readonly seedSignature: string;
}

export interface ChunkedOptions {
  readonly signer: ChunkSigner | undefined;
  /** Called once, at the end, with lower-case names. */
  readonly onTrailers: (trailers: ReadonlyMap<string, string>) => void;
}

/** The decoded data. Throws IncompleteBody, InvalidRequest or SignatureDoesNotMatch. */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  options: ChunkedOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const reader = readerOf(source);
  let previous = options.signer?.seedSignature ?? '';
  for (;;) {
    const { sizeBytes, signature } = parseChunkHeader(await reader.line());
    const hash = options.signer === undefined ? undefined : createHash('sha256');
    for (let left = sizeBytes; left > 0; ) {
      const piece = await reader.upTo(left);
      left -= piece.length;
      hash?.update(piece);
      yield piece;
    }
    if (options.signer !== undefined && hash !== undefined) {
      checkChunk(options.signer, previous, hash.digest('hex'), signature);
      previous = signature;
    }
    if (sizeBytes === 0) break;
    if ((await reader.line()) !== '') throw new AwsError('InvalidRequest', 'A chunk is longer than its header says.');
  }
  options.onTrailers(await readTrailers(reader, options.signer, previous));
  if (!(await reader.isAtEnd())) throw new AwsError('InvalidRequest', 'There are bytes behind the last chunk.');
}

function parseChunkHeader(line: string): { readonly sizeBytes: number; readonly signature: string } {
  const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
  const [, size, signature = ''] = match ?? [];
  if (size === undefined) throw new AwsError('InvalidRequest', 'A chunk header is malformed.');
  return { sizeBytes: Number.parseInt(size, 16), signature };
}

function checkChunk(signer: ChunkSigner, previous: string, dataHash: string, signature: string): void {
  const text = ['AWS4-HMAC-SHA256-PAYLOAD', signer.stamp, signer.scope, previous, sha256Hex(''), dataHash].join('\n');
  if (!sameText(sign(signer.key, text), signature)) {
    throw new AwsError('SignatureDoesNotMatch', 'A chunk signature does not match.');
  }
}

async function readTrailers(
  reader: Reader,
  signer: ChunkSigner | undefined,
  previous: string,
): Promise<ReadonlyMap<string, string>> {
  const trailers = new Map<string, string>();
  for (;;) {
    const line = await reader.line({ endIsEmptyLine: true });
    if (line === '') break;
    const colonAt = line.indexOf(':');
    if (colonAt < 1) throw new AwsError('InvalidRequest', 'A trailer is malformed.');
    trailers.set(line.slice(0, colonAt).trim().toLowerCase(), line.slice(colonAt + 1).trim());
  }
  const signature = trailers.get('x-amz-trailer-signature');
  trailers.delete('x-amz-trailer-signature');
  if (signer !== undefined && trailers.size > 0) {
    const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
    const text = ['AWS4-HMAC-SHA256-TRAILER', signer.stamp, signer.scope, previous, sha256Hex(canonical)].join('\n');
    if (signature === undefined || !sameText(sign(signer.key, text), signature)) {
      throw new AwsError('SignatureDoesNotMatch', 'The trailer signature does not match.');
    }
  }
  return trailers;
}

interface Reader {
  /** Up to CRLF, which is consumed and not given. */
  line(options?: { readonly endIsEmptyLine: boolean }): Promise<string>;
  /** At least one byte and at most `bytesMax`. */
  upTo(bytesMax: number): Promise<Buffer>;
  isAtEnd(): Promise<boolean>;
}

function readerOf(source: AsyncIterable<Buffer>): Reader {
  const iterator = source[Symbol.asyncIterator]();
  let pending: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const step = await iterator.next();
    if (step.done === true) return false;
    pending = pending.length === 0 ? step.value : Buffer.concat([pending, step.value]);
    return true;
  };
  return {
    async line(options) {
      for (;;) {
        const endAt = pending.indexOf('\r\n');
        if (endAt >= 0) {
          const text = pending.toString('latin1', 0, endAt);
          pending = pending.subarray(endAt + 2);
          return text;
        }
        if (pending.length > LINE_BYTES_MAX) throw new AwsError('InvalidRequest', 'A chunk header is too long.');
        if (await more()) continue;
        if (options?.endIsEmptyLine === true && pending.length === 0) return '';
        throw new AwsError('IncompleteBody', 'The body ended inside a chunk.');
      }
    },
    async upTo(bytesMax) {
      while (pending.length === 0) {
        if (!(await more())) throw new AwsError('IncompleteBody', 'The body ended inside a chunk.');
      }
      const piece = pending.subarray(0, bytesMax);
      pending = pending.subarray(piece.length);
      return piece;
    },
    isAtEnd: async () => pending.length === 0 && !(await more()),
  };
}
