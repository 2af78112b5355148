import type { RecordStore, StoredRecord } from '../../shared/catalog/record-store';
import { AppError } from '../../shared/model/errors';

/** The promises of RecordStore, in a Map. Values are copied in and out as JSON, as a table would. */
export interface MemoryRecordStore extends RecordStore {
  readonly size: () => number;
  /** Everything, in a comparable form. */
  readonly dump: () => readonly string[];
}

export function memoryRecordStore(): MemoryRecordStore {
  const partitions = new Map<string, Map<string, { readonly json: string; readonly etag: string }>>();
  let writes = 0;

  const rows = (partition: string) => {
    const known = partitions.get(partition);
    if (known) return known;
    const fresh = new Map<string, { readonly json: string; readonly etag: string }>();
    partitions.set(partition, fresh);
    return fresh;
  };
  const write = (partition: string, id: string, value: unknown): string => {
    writes += 1;
    const etag = `W/"${writes}"`;
    rows(partition).set(id, { json: JSON.stringify(value), etag });
    return etag;
  };
  const conflict = (what: string): AppError => new AppError('record.conflict', what);

  return {
    size: () => [...partitions.values()].reduce((sum, partition) => sum + partition.size, 0),

    dump: () =>
      [...partitions]
        .flatMap(([partition, kept]) => [...kept].map(([id, { json }]) => `${partition}/${id} ${json}`))
        .sort(),

    read: async (partition, id) => {
      const row = rows(partition).get(id);
      return row && { partition, id, value: JSON.parse(row.json), etag: row.etag };
    },
    create: async (partition, id, value) => {
      if (rows(partition).has(id)) throw conflict(`${partition}/${id} exists`);
      return write(partition, id, value);
    },
    update: async (partition, id, value, etag) => {
      if (rows(partition).get(id)?.etag !== etag) throw conflict(`${partition}/${id} has another etag`);
      return write(partition, id, value);
    },
    put: async (partition, id, value) => {
      write(partition, id, value);
    },
    remove: async (partition, id, etag) => {
      const row = rows(partition).get(id);
      if (row && etag !== undefined && row.etag !== etag) throw conflict(`${partition}/${id} has another etag`);
      rows(partition).delete(id);
    },
    async *list(partition, idPrefix = ''): AsyncIterable<StoredRecord> {
      const found = [...rows(partition)].filter(([id]) => id.startsWith(idPrefix));
      for (const [id, row] of found.sort(([a], [b]) => (a < b ? -1 : 1))) {
        yield { partition, id, value: JSON.parse(row.json), etag: row.etag };
      }
    },
  };
}
