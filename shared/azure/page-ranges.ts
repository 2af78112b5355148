/**
 * Get Page Ranges and Get Page Ranges Diff of a managed-disk snapshot, asked for by ourselves: the SDK's calls lose the last
 * byte of each range, cannot page a managed-disk diff, or send the wrong parameter for it (traps 1 to 3 of the mechanics).
 */
import { type ByteRange, intersect, mergeRanges } from '../model/byte-range';
import { AppError } from '../model/errors';
import { type BlobHttp, withQuery } from './blob-http';
import { BadPageList, type ListedRange, PageListScan } from './page-list-xml';

export interface PageListRequest {
  /** SAS url of the snapshot, used verbatim. */
  readonly url: string;
  readonly within: ByteRange;
  /** SAS url of the base snapshot: then what differs from it is listed, pages written and pages cleared. */
  readonly previousUrl?: string;
  readonly signal: AbortSignal;
}

/** Service version: the first that pages the list; every later one keeps to it. */
export const BLOB_SERVICE_VERSION = '2020-10-02';
/** Entries asked for in one answer; the service cuts larger wishes to this. */
const ENTRIES_PER_PAGE = 10_000;
/** A window of 8 GiB holds at most 16 million pages; far below that the disk is read in full faster than listed. */
const PAGES_MAX = 2_000;

/**
 * Sorted, disjoint, merged ranges inside `within`. Without `previousUrl` those that hold data; with it those that may differ,
 * cleared ones included, as a cleared range reads as zeros now and did not before.
 */
export async function listPageRanges(http: BlobHttp, request: PageListRequest): Promise<ByteRange[]> {
  const { within } = request;
  if (within.end <= within.start) return [];
  const ranges: ByteRange[] = [];
  const seen = new Set<string>();
  let marker = '';
  let lastEnd = 0;
  for (let page = 0; ; page++) {
    if (page >= PAGES_MAX) throw badRanges('more pages than a window can have');
    const answer = await onePage(http, request, marker);
    for (const range of answer.ranges) {
      if (range.start < lastEnd) throw badRanges('a page overlaps or precedes the one before');
      lastEnd = range.end;
      if (range.kind === 'clear' && request.previousUrl === undefined) throw badRanges('a clear range outside a diff');
      const inside = intersect(range, within);
      if (inside) ranges.push(inside);
    }
    if (answer.nextMarker === '') return mergeRanges(ranges);
    if (seen.has(answer.nextMarker)) throw badRanges('the same marker came twice');
    seen.add(answer.nextMarker);
    marker = answer.nextMarker;
  }
}

async function onePage(
  http: BlobHttp,
  request: PageListRequest,
  marker: string,
): Promise<{ readonly ranges: readonly ListedRange[]; readonly nextMarker: string }> {
  const { within, previousUrl, signal } = request;
  const query = { comp: 'pagelist', maxresults: String(ENTRIES_PER_PAGE), ...(marker === '' ? {} : { marker }) };
  return http.stream(
    {
      what: previousUrl === undefined ? 'listing page ranges' : 'listing changed page ranges',
      method: 'GET',
      url: withQuery(request.url, query),
      headers: {
        'x-ms-version': BLOB_SERVICE_VERSION,
        'x-ms-range': `bytes=${within.start}-${within.end - 1}`,
        ...(previousUrl === undefined ? {} : { 'x-ms-previous-snapshot-url': previousUrl }),
      },
      signal,
      expect: 200,
      rejectedAs: 'source.bad-ranges',
    },
    async (body) => {
      const scan = new PageListScan();
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      try {
        for await (const chunk of body) scan.push(decoder.decode(chunk, { stream: true }));
        scan.push(decoder.decode());
        return scan.finish();
      } catch (error) {
        if (error instanceof BadPageList) throw badRanges(error.message);
        if (error instanceof TypeError && signal.aborted === false && isDecodeError(error))
          throw badRanges('not UTF-8');
        throw error;
      }
    },
  );
}

const isDecodeError = (error: TypeError): boolean =>
  'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA';

/** A truncated answer may be the network's doing: worth another try, so retryable inside this adapter only. */
export const badRanges = (why: string): AppError =>
  new AppError('source.bad-ranges', `the list of page ranges cannot be trusted: ${why}`, { retryable: true });
