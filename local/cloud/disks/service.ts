/**
 * The data plane of managed disks: the part of the Page Blob protocol that a SAS of a disk or snapshot allows.
 * Azure REST: Get Blob, Get Blob Properties, Get Page Ranges, Put Page; container `/abcd` as on the `md-` hosts.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { drained, readBody } from '../kit/http';
import type { CloudContext, CloudService } from '../kit/service';
import type { Access, AccessStore } from './access-store';
import { authenticationFailed, BlobError, blobErrorReply, defaultBlobCode, sendBlobError } from './blob-error';
import { pageListReply, parsePageListQuery } from './page-list';
import type { PageRun } from './pages';
import type { TransferStatsStore } from './transfer-stats';
import { FOOTER_BYTES } from './vhd-footer';
import type { Volume, VolumeStore } from './volume-store';

const PUT_PAGE_BYTES_MAX = 4 * 2 ** 20;
const PIECE_BYTES = 2 * 2 ** 20;
const FOUR_TIB = 4 * 2 ** 40;
const DEFAULT_VERSION = '2018-03-28';

/** What the diff has to know about the resource behind a SAS. */
export interface SnapshotFacts {
  /** Undefined for what has no incremental family: disks and full snapshots. */
  readonly familyId: string | undefined;
  readonly createdAt: number;
}

export interface DiskServiceParts {
  readonly volumes: VolumeStore;
  readonly accesses: AccessStore;
  readonly stats: TransferStatsStore;
  /** By the key of an access's target. */
  readonly describe: (target: string) => SnapshotFacts | undefined;
  /** Ranges in one Get Page Ranges answer at most. */
  readonly pageListMax: () => number;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly access: Access;
  readonly volume: Volume;
  /** Of the blob: disk and footer. */
  readonly blobBytes: number;
}

export function createDiskService(_context: CloudContext, parts: DiskServiceParts): CloudService {
  return {
    name: 'disk',
    operationOf,
    errorReply: (operation, status, code) =>
      blobErrorReply(code ?? defaultBlobCode(status), `${operation}: injected status ${status}`),
    async handle(request, response, operation) {
      response.setHeader('x-ms-version', headerOf(request, 'x-ms-version') || DEFAULT_VERSION);
      response.setHeader(
        'x-ms-request-id',
        createHash('sha256').update(String(process.hrtime())).digest('hex').slice(0, 32),
      );
      const clientRequestId = headerOf(request, 'x-ms-client-request-id');
      if (clientRequestId !== '') response.setHeader('x-ms-client-request-id', clientRequestId);
      try {
        await answer(parts, authorize(parts, request, response), operation);
      } catch (error) {
        if (!(error instanceof BlobError)) throw error;
        sendBlobError(response, error);
      }
    },
    close: async () => undefined,
  };
}

function operationOf(request: IncomingMessage): string {
  const comp = queryOf(request).get('comp');
  if (comp === 'pagelist')
    return headerOf(request, 'x-ms-previous-snapshot-url') === '' ? 'disk.pageList' : 'disk.pageListDiff';
  if (request.method === 'PUT' && comp === 'page') {
    return headerOf(request, 'x-ms-page-write').toLowerCase() === 'clear' ? 'disk.clear' : 'disk.write';
  }
  if (comp === null && request.method === 'GET') return 'disk.read';
  if (comp === null && request.method === 'HEAD') return 'disk.properties';
  return 'disk.unsupported';
}

function authorize(parts: DiskServiceParts, request: IncomingMessage, response: ServerResponse): Call {
  const query = queryOf(request);
  const access = accessOf(parts, request.url ?? '/');
  if (access === undefined || request.fault?.kind === 'expire') throw authenticationFailed();
  const volume = parts.volumes.get(access.volumeId);
  request.logDetails = { target: access.target };
  return { request, response, query, access, volume, blobBytes: volume.sizeBytes + FOOTER_BYTES };
}

function accessOf(parts: DiskServiceParts, target: string): Access | undefined {
  const url = new URL(target, 'http://disk.invalid');
  const [, container = '', blob, ...rest] = url.pathname.split('/');
  return blob === 'abcd' && rest.length === 0 ? parts.accesses.authorize(container, url.searchParams) : undefined;
}

async function answer(parts: DiskServiceParts, call: Call, operation: string): Promise<void> {
  switch (operation) {
    case 'disk.properties':
      sendBlobHeaders(call);
      call.response.writeHead(200, { 'content-length': call.blobBytes, 'accept-ranges': 'bytes' }).end();
      return;
    case 'disk.read':
      return read(parts, call);
    case 'disk.pageList':
    case 'disk.pageListDiff':
      return listPages(parts, call);
    case 'disk.write':
    case 'disk.clear':
      return write(parts, call, operation === 'disk.clear');
    default:
      throw new BlobError(405, 'UnsupportedHttpVerb', 'The disk endpoint does not support this operation.');
  }
}

async function read(parts: DiskServiceParts, call: Call): Promise<void> {
  const { request, response, volume, access, blobBytes } = call;
  const range = rangeOf(request, blobBytes);
  const { start, end } = range ?? { start: 0, end: blobBytes };
  parts.stats.count(access.target, 'read', end - start);
  request.logDetails = { target: access.target, start, end };
  sendBlobHeaders(call);
  if (headerOf(request, 'x-ms-range-get-content-md5') === 'true') {
    if (range === undefined || end - start > PUT_PAGE_BYTES_MAX) {
      throw new BlobError(400, 'OutOfRangeInput', 'A range MD5 needs a range of at most 4 MiB.');
    }
    const md5 = createHash('md5')
      .update(parts.volumes.read(volume, start, end))
      .digest('base64');
    response.setHeader('content-md5', md5);
  }
  if (range !== undefined) response.setHeader('content-range', `bytes ${start}-${end - 1}/${blobBytes}`);
  response.writeHead(range === undefined ? 200 : 206, { 'content-length': end - start, 'accept-ranges': 'bytes' });
  for (let at = start; at < end && !response.destroyed; at += PIECE_BYTES) {
    const piece = parts.volumes.read(volume, at, Math.min(at + PIECE_BYTES, end));
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

function listPages(parts: DiskServiceParts, call: Call): void {
  const { request, response, query, volume, access, blobBytes } = call;
  if (query.has('prevsnapshot') || query.has('snapshot')) {
    throw new BlobError(400, 'InvalidQueryParameterValue', 'prevsnapshot is not supported on a managed disk.');
  }
  const window = rangeOf(request, blobBytes) ?? { start: 0, end: blobBytes };
  const version = headerOf(request, 'x-ms-version');
  const asked = parsePageListQuery(query, window, version, parts.pageListMax());
  const previousUrl = headerOf(request, 'x-ms-previous-snapshot-url');
  const runs =
    previousUrl === ''
      ? withFooter(parts.volumes.allocated(volume, asked.start, asked.end), volume)
      : diff(parts, call, previousUrl, asked);
  const reply = pageListReply(runs, asked);
  parts.stats.count(access.target, previousUrl === '' ? 'pageList' : 'diff', 0);
  request.logDetails = { target: access.target, start: asked.start, end: asked.end, rangeCount: reply.rangeCount };
  sendBlobHeaders(call);
  response.writeHead(200, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(reply.body),
    'x-ms-blob-content-length': blobBytes,
  });
  response.end(reply.body);
}

/** The footer is data like any other: a full list ends with it when the window reaches it. */
function* withFooter(runs: Iterable<PageRun>, volume: Volume): Generator<PageRun> {
  yield* runs;
  yield { start: volume.sizeBytes, end: volume.sizeBytes + FOOTER_BYTES, kind: 'data' };
}

function diff(
  parts: DiskServiceParts,
  { access, volume }: Call,
  previousUrl: string,
  window: { readonly start: number; readonly end: number },
): Iterable<PageRun> {
  const base = URL.canParse(previousUrl) ? accessOf(parts, previousUrl) : undefined;
  if (base === undefined) throw authenticationFailed();
  const baseFacts = parts.describe(base.target);
  const facts = parts.describe(access.target);
  if (baseFacts === undefined)
    throw new BlobError(409, 'PreviousSnapshotNotFound', 'The previous snapshot is not found.');
  const unsupported = (why: string): BlobError => new BlobError(409, 'PreviousSnapshotOperationNotSupported', why);
  if (facts?.familyId === undefined || facts.familyId !== baseFacts.familyId) {
    throw unsupported('The previous snapshot is not an incremental snapshot of the same family.');
  }
  if (baseFacts.createdAt > facts.createdAt) {
    throw new BlobError(400, 'PreviousSnapshotCannotBeNewer', 'The previous snapshot is newer than the snapshot.');
  }
  const baseVolume = parts.volumes.get(base.volumeId);
  if (baseVolume.sizeBytes < FOUR_TIB !== volume.sizeBytes < FOUR_TIB) {
    throw unsupported('The disk was resized across 4 TiB between the snapshots.');
  }
  const changes = parts.volumes.changes(baseVolume, volume, window.start, window.end);
  if (changes === undefined) throw unsupported('The snapshot does not descend from the previous snapshot.');
  return changes;
}

async function write(parts: DiskServiceParts, call: Call, clears: boolean): Promise<void> {
  const { request, response, access, blobBytes } = call;
  if (access.level !== 'Write')
    throw new BlobError(403, 'AuthorizationPermissionMismatch', 'This SAS does not allow writing.');
  const range = rangeOf(request, Number.MAX_SAFE_INTEGER);
  if (range === undefined) throw new BlobError(400, 'MissingRequiredHeader', 'Put Page needs x-ms-range.');
  const { start, end } = range;
  if (start % 512 !== 0 || end % 512 !== 0 || end > blobBytes) {
    throw new BlobError(
      416,
      'InvalidPageRange',
      'The page range is not aligned to 512 bytes or is outside of the blob.',
    );
  }
  if (clears) {
    parts.volumes.clear(access.volumeId, start, end);
  } else {
    if (end - start > PUT_PAGE_BYTES_MAX)
      throw new BlobError(413, 'RequestBodyTooLarge', 'Put Page takes 4 MiB at most.');
    const body = await readBody(request, PUT_PAGE_BYTES_MAX);
    if (body.length !== end - start)
      throw new BlobError(400, 'InvalidHeaderValue', 'Content-Length differs from the range.');
    const md5 = headerOf(request, 'content-md5');
    if (md5 !== '' && md5 !== createHash('md5').update(body).digest('base64')) {
      throw new BlobError(400, 'Md5Mismatch', 'The MD5 value specified in the request did not match the body.');
    }
    // The SAS may have been revoked, and the disk deleted, while the body arrived.
    if (accessOf(parts, request.url ?? '/') === undefined) throw authenticationFailed();
    parts.volumes.write(access.volumeId, start, body);
  }
  parts.stats.count(access.target, 'write', clears ? 0 : end - start);
  request.logDetails = { target: access.target, start, end };
  sendBlobHeaders(call);
  response.setHeader('x-ms-request-server-encrypted', 'true');
  response.writeHead(201, { 'content-length': 0 }).end();
}

function sendBlobHeaders({ response, volume }: Call): void {
  response.setHeader('etag', `"0x${volume.id.replaceAll('-', '').slice(0, 15).toUpperCase()}"`);
  response.setHeader('last-modified', new Date(0).toUTCString());
  response.setHeader('x-ms-blob-type', 'PageBlob');
  response.setHeader('x-ms-blob-sequence-number', '0');
  response.setHeader('content-type', 'application/octet-stream');
}

/** The half-open range asked for, its end cut at `lengthBytes`; `x-ms-range` goes before `Range`. */
function rangeOf(
  request: IncomingMessage,
  lengthBytes: number,
): { readonly start: number; readonly end: number } | undefined {
  const text = headerOf(request, 'x-ms-range') || headerOf(request, 'range');
  const match = /^bytes=(\d+)-(\d*)$/.exec(text);
  if (match === null) return undefined; // a malformed range is ignored, as HTTP says
  const start = Number(match[1]);
  const end = match[2] === '' ? lengthBytes : Math.min(Number(match[2]) + 1, lengthBytes);
  if (start >= lengthBytes || end <= start) {
    throw new BlobError(416, 'InvalidRange', 'The range specified is invalid for the current size of the resource.', {
      'content-range': `bytes */${lengthBytes}`,
    });
  }
  return { start, end };
}

function queryOf(request: IncomingMessage): URLSearchParams {
  return new URL(request.url ?? '/', 'http://disk.invalid').searchParams;
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
}
