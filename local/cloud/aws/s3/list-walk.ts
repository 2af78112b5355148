/** The one walk behind both listings: prefix, delimiter and page size over a cursor that reads in key order. */

/** Sorts behind every key that begins with the text before it. */
const BEHIND_ALL = '\u{10ffff}';

/** With a delimiter each common prefix ends a batch early, so that large ones would be read in vain. */
const DELIMITED_BATCH_COUNT = 32;

export interface Walk<Item, Cursor> {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly limit: number;
  readonly start: Cursor;
  /** At most `limit` items from the cursor on, and the cursor behind them; no cursor at the end. */
  readonly fetch: (
    from: Cursor,
    limit: number,
  ) => { readonly items: readonly Item[]; readonly next: Cursor | undefined };
  readonly keyOf: (item: Item) => string;
  readonly seekAfterKey: (key: string) => Cursor;
}

export interface WalkResult<Item> {
  readonly items: readonly Item[];
  readonly commonPrefixes: readonly string[];
  readonly isTruncated: boolean;
  /** What came last on this page. */
  readonly last: { readonly item: Item } | { readonly commonPrefix: string } | undefined;
}

export function walkKeys<Item, Cursor>(walk: Walk<Item, Cursor>): WalkResult<Item> {
  const items: Item[] = [];
  const commonPrefixes: string[] = [];
  let last: WalkResult<Item>['last'];
  let cursor: Cursor | undefined = walk.start;
  const page = (isTruncated: boolean): WalkResult<Item> => ({ items, commonPrefixes, isTruncated, last });
  const batchCount = walk.delimiter === undefined ? walk.limit + 1 : DELIMITED_BATCH_COUNT;
  while (cursor !== undefined) {
    const batch: ReturnType<typeof walk.fetch> = walk.fetch(cursor, batchCount);
    cursor = batch.next;
    for (const item of batch.items) {
      const key = walk.keyOf(item);
      if (!key.startsWith(walk.prefix)) return page(false);
      if (items.length + commonPrefixes.length >= walk.limit) return page(walk.limit > 0);
      const commonPrefix = commonPrefixOf(key, walk.prefix, walk.delimiter);
      if (commonPrefix === undefined) {
        items.push(item);
        last = { item };
        continue;
      }
      commonPrefixes.push(commonPrefix);
      last = { commonPrefix };
      cursor = walk.seekAfterKey(behind(commonPrefix));
      break;
    }
  }
  return page(false);
}

/** A key behind all keys that begin with this text. */
export function behind(text: string): string {
  return text + BEHIND_ALL;
}

function commonPrefixOf(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  if (delimiter === undefined || delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}
