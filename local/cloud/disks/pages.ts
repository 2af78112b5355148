/** The unit in which contents are kept and compared, and the states it can have in a layer. */
export const PAGE_BYTES = 4096;
/** Pages whose states are kept in one row: 16 MiB of disk. */
export const CHUNK_PAGES = 4096;
export const CHUNK_BYTES = PAGE_BYTES * CHUNK_PAGES;

export const ABSENT = 0;
export const DATA = 1;
export const CLEARED = 2;

/** Half-open [start, end) in bytes, page-aligned. */
export interface PageRun {
  readonly start: number;
  readonly end: number;
  readonly kind: 'data' | 'cleared';
}

/** The pages of a chunk that [start, end) touches, numbered within the chunk; half-open. */
export function pagesWithin(
  chunk: number,
  start: number,
  end: number,
): { readonly first: number; readonly last: number } {
  const chunkAt = chunk * CHUNK_BYTES;
  return {
    first: Math.max(0, Math.floor((start - chunkAt) / PAGE_BYTES)),
    last: Math.min(CHUNK_PAGES, Math.ceil((end - chunkAt) / PAGE_BYTES)),
  };
}
