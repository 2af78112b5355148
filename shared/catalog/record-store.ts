/**
 * The control plane's records: small JSON values under (partition, id) with optimistic concurrency. A cache of the truth:
 * everything about restore points can be rebuilt from S3. Implemented over Azure tables in azure/, in memory for tests.
 */
export interface StoredRecord {
  readonly partition: string;
  readonly id: string;
  readonly value: unknown;
  /** Opaque; changes with each write. */
  readonly etag: string;
}

export interface RecordStore {
  /** undefined when there is none. */
  read(partition: string, id: string): Promise<StoredRecord | undefined>;
  /** Writes a new record; `record.conflict` when one exists. */
  create(partition: string, id: string, value: unknown): Promise<string>;
  /** Writes while the etag matches, otherwise `record.conflict`. Resolves the new etag. */
  update(partition: string, id: string, value: unknown, etag: string): Promise<string>;
  /** Writes whatever is there. For hints (progress) only: it can undo another's write. */
  put(partition: string, id: string, value: unknown): Promise<void>;
  /** Removes; with an etag only while it matches (`record.conflict`). Gone already is fine. */
  remove(partition: string, id: string, etag?: string): Promise<void>;
  /** All records of a partition whose id starts with the prefix, in id order, every page. */
  list(partition: string, idPrefix?: string): AsyncIterable<StoredRecord>;
}
