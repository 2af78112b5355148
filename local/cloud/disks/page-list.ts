/**
 * Get Page Ranges and its diff: windows, pages of results, and the XML in which Azure's inclusive ends appear.
 * Inside, ranges are half-open.
 */
import { BlobError } from './blob-error';
import type { PageRun } from './pages';

/** Azure cuts a larger `maxresults` to this. */
const RESULTS_MAX = 10_000;
/** From this version on the answer comes in pages. */
const PAGING_VERSION = '2020-10-02';

export interface PageListQuery {
  readonly start: number;
  readonly end: number;
  readonly resultsMax: number;
}

/**
 * `window` is the requested half-open byte range (the whole blob when absent) and `serverMax` the server's own cap.
 * A marker is the offset at which the next page of results begins.
 */
export function parsePageListQuery(
  query: URLSearchParams,
  window: { readonly start: number; readonly end: number },
  version: string,
  serverMax: number,
): PageListQuery {
  const start = window.start - (window.start % 512);
  const end = Math.ceil(window.end / 512) * 512;
  if (version !== '' && version < PAGING_VERSION) return { start, end, resultsMax: Number.POSITIVE_INFINITY };
  const asked = query.get('maxresults');
  const resultsMax = asked === null ? RESULTS_MAX : Number(asked);
  if (!Number.isInteger(resultsMax) || resultsMax <= 0) {
    throw new BlobError(400, 'OutOfRangeQueryParameterValue', 'maxresults must be a positive integer.');
  }
  const marker = query.get('marker') ?? '';
  if (!/^\d*$/.test(marker) || Number(marker) % 512 !== 0) {
    throw new BlobError(400, 'InvalidQueryParameterValue', 'The marker is not one that this service has given.');
  }
  return {
    start: Math.max(start, Number(marker)),
    end,
    resultsMax: Math.min(resultsMax, RESULTS_MAX, serverMax),
  };
}

export interface PageListReply {
  readonly body: string;
  readonly rangeCount: number;
}

/** `runs` may reach beyond the window: they are clipped to it. */
export function pageListReply(runs: Iterable<PageRun>, { start, end, resultsMax }: PageListQuery): PageListReply {
  const parts: string[] = [];
  let nextMarker = '';
  for (const run of runs) {
    const from = Math.max(run.start, start);
    const to = Math.min(run.end, end);
    if (from >= to) continue;
    if (parts.length >= resultsMax) {
      nextMarker = String(from);
      break;
    }
    const element = run.kind === 'data' ? 'PageRange' : 'ClearRange';
    parts.push(`<${element}><Start>${from}</Start><End>${to - 1}</End></${element}>`);
  }
  const marker = nextMarker === '' ? '<NextMarker/>' : `<NextMarker>${nextMarker}</NextMarker>`;
  return {
    body: `<?xml version="1.0" encoding="utf-8"?><PageList>${parts.join('')}${marker}</PageList>`,
    rangeCount: parts.length,
  };
}
