/**
 * Stands where the product's `BlobHttp` stands: answers the data plane of managed disks (ranges, page lists as XML with
 * markers, Put Page) from simulated snapshots and uploads. The parsing, paging and checking above it are the product's.
 */
import { createHash } from 'node:crypto';
import type { BlobHttp, BlobRequest } from '../../shared/azure/blob-http';
import { vhdFooter } from '../../shared/azure/vhd-footer';
import { AppError } from '../../shared/model/errors';
import type { FaultKind } from '../kit/faults';
import type { Io } from '../kit/io';
import type { Actor } from '../kit/scheduler';
import type { SimAzure, SimSnapshot } from './azure';
import { flipped } from './s3-wire';

const HOST = 'https://simulated.blob.core.windows.net/';
/** Entries of one page of a list: few, so that most lists have several pages. */
const ENTRIES = 3;

const READ_FAULTS: readonly FaultKind[] = [
  'lost-reply',
  'unreachable',
  'refused',
  'slow-reply',
  'expired',
  'short-body',
  'wrong-answer',
  'bit-flip',
];
const LIST_FAULTS: readonly FaultKind[] = [
  'lost-reply',
  'unreachable',
  'refused',
  'slow-reply',
  'expired',
  'short-body',
  'wrong-answer',
];
const WRITE_FAULTS: readonly FaultKind[] = ['lost-reply', 'unreachable', 'refused', 'late', 'slow-reply', 'expired'];

export const accessUrl = (resourceId: string): string => `${HOST}${encodeURIComponent(resourceId)}?sig=none`;

interface Answer {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** A restore must never write a bad answer down, and a page list that cannot be trusted counts as one that was doubted. */
export interface BlobWireEvents {
  doubted(): void;
}

export function createBlobWire(io: Io, actor: Actor, azure: SimAzure, events: BlobWireEvents): BlobHttp {
  const stream: BlobHttp['stream'] = async (request, consume) => {
    const { id, query } = parseUrl(request.url);
    const isList = query.get('comp') === 'pagelist';
    const faults = request.method === 'PUT' ? WRITE_FAULTS : isList ? LIST_FAULTS : READ_FAULTS;
    const answer = await io
      .request<Answer>({
        actor,
        label: `blob ${request.what} ${id.slice(-12)}`,
        faults,
        signal: request.signal,
        failure: (fault) => failureOf(request, fault),
        effect: (fault) => {
          if (request.method === 'PUT') return put(azure, id, request);
          const snapshot = azure.snapshot(id);
          if (!snapshot) throw new AppError('access.expired', `${request.what}: no such snapshot`);
          if (!isList) return read(snapshot, request, fault, io);
          if (fault === 'short-body' || fault === 'wrong-answer') events.doubted();
          return pageList(azure, snapshot, request, query, fault);
        },
      })
      .catch((error: unknown) => {
        if (request.signal.aborted) throw request.signal.reason;
        throw error;
      });
    return consume(
      (async function* () {
        yield answer.body;
      })(),
      answer.headers,
    );
  };
  return { stream, close: async () => undefined } as unknown as BlobHttp;
}

function parseUrl(url: string): { readonly id: string; readonly query: URLSearchParams } {
  const [path = '', query = ''] = url.slice(HOST.length).split('?');
  return { id: decodeURIComponent(path), query: new URLSearchParams(query) };
}

function rangeOf(request: BlobRequest): { readonly start: number; readonly end: number } {
  const said = /^bytes=(\d+)-(\d+)$/.exec(request.headers['x-ms-range'] ?? '');
  return { start: Number(said?.[1]), end: Number(said?.[2]) + 1 };
}

function read(snapshot: SimSnapshot, request: BlobRequest, fault: FaultKind | undefined, io: Io): Answer {
  const { start, end } = rangeOf(request);
  const { bytes } = snapshot.state;
  const whole = start >= bytes.length ? vhdFooter(bytes.length, 'snapshot') : bytes;
  const at = start >= bytes.length ? start - bytes.length : start;
  let body: Buffer = Buffer.from(whole.subarray(at, at + end - start));
  const md5 = createHash('md5').update(body).digest('base64');
  if (fault === 'short-body') body = body.subarray(0, Math.floor(body.length / 2));
  if (fault === 'bit-flip') body = flipped(body, io.random.int(body.length * 8));
  const shift = fault === 'wrong-answer' ? 512 : 0;
  return {
    body,
    headers: { 'content-range': `bytes ${start + shift}-${end - 1 + shift}/${bytes.length + 512}`, 'content-md5': md5 },
  };
}

function pageList(
  azure: SimAzure,
  snapshot: SimSnapshot,
  request: BlobRequest,
  query: URLSearchParams,
  fault: FaultKind | undefined,
): Answer {
  const { start, end } = rangeOf(request);
  const previousUrl = request.headers['x-ms-previous-snapshot-url'];
  const base = previousUrl === undefined ? undefined : azure.snapshot(parseUrl(previousUrl).id);
  if (previousUrl !== undefined && !base) throw new AppError('source.bad-ranges', 'the base snapshot is gone');
  const from = Math.max(start, Number(query.get('marker') ?? 0));
  const all = snapshot.state.pages(from, end, base?.state);
  const page = all.slice(0, ENTRIES);
  const next = all[ENTRIES]?.start;
  const marker =
    next === undefined ? '<NextMarker />' : `<NextMarker>${fault === 'wrong-answer' ? '' : next}</NextMarker>`;
  const entries = page.map(({ kind, start: first, end: last }) => {
    const name = kind === 'page' ? 'PageRange' : 'ClearRange';
    return `<${name}><Start>${first}</Start><End>${last - 1}</End></${name}>`;
  });
  const text = `<?xml version="1.0" encoding="utf-8"?><PageList>${entries.join('')}${marker}</PageList>`;
  const broken = fault === 'wrong-answer' ? text.replace('<PageList>', '<PageLists>') : text;
  return { body: Buffer.from(fault === 'short-body' ? broken.slice(0, broken.length / 2) : broken), headers: {} };
}

function put(azure: SimAzure, id: string, request: BlobRequest): Answer {
  const upload = azure.upload(id);
  if (!upload || upload.finished) throw new AppError('access.expired', `${request.what}: the disk takes no upload`);
  const { start, end } = rangeOf(request);
  if (start < upload.bytes.length) {
    if (request.headers['x-ms-page-write'] === 'clear') upload.bytes.fill(0, start, end);
    else request.body?.copy(upload.bytes, start);
  }
  return { body: Buffer.alloc(0), headers: {} };
}

function failureOf(request: BlobRequest, fault: FaultKind): Error {
  if (fault === 'expired') return new AppError('access.expired', `${request.what}: Azure refused the access (403)`);
  const context = fault === 'refused' ? { status: 503 } : {};
  return new AppError('cloud.unavailable', `${request.what}: simulated`, { retryable: true, context });
}
