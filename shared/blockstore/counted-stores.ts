/** Stores that count their calls, for the figures of one window. */
import type { ObjectStore, StorePair } from './object-store';

export interface StoreCounts {
  writes: number;
  /** GET and LIST. */
  reads: number;
}

export function countStores(stores: StorePair): { readonly stores: StorePair; readonly counts: StoreCounts } {
  const counts: StoreCounts = { writes: 0, reads: 0 };
  return { stores: { data: counted(stores.data, counts), control: counted(stores.control, counts) }, counts };
}

function counted(store: ObjectStore, counts: StoreCounts): ObjectStore {
  return {
    putOnce: (key, body, options) => {
      counts.writes++;
      return store.putOnce(key, body, options);
    },
    replace: (key, body, etag, options) => {
      counts.writes++;
      return store.replace(key, body, etag, options);
    },
    get: (key, options) => {
      counts.reads++;
      return store.get(key, options);
    },
    list: (prefix, options) => {
      counts.reads++;
      return store.list(prefix, options);
    },
  };
}
