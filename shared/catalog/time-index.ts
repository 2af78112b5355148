/**
 * An index by time, newest first, over stores that list in id order only:
 *
 *   id = inverted milliseconds, padded  ~  key of the thing        (ascending id = descending time)
 *
 * A bucketed index spreads the entries over one partition a day and keeps the list of days in a partition of its own, so
 * that reading on from a cursor never walks through all that came after it. A flat one is for a single VM: few entries.
 * Entries are put, not created: adding the same thing with the same time again changes nothing.
 */
import { z } from 'zod';
import { AppError } from '../model/errors';
import type { RecordStore } from './record-store';

export interface IndexEntry {
  /** Goes on behind this entry when given to `newestFirst`. */
  readonly cursor: string;
  /** Epoch ms of the time it was added under. */
  readonly atMs: number;
  readonly key: string;
  readonly value: unknown;
}

export interface TimeIndex {
  /** `at` is an ISO instant. Safe to repeat. */
  add(at: string, key: string, value: unknown): Promise<void>;
  remove(at: string, key: string): Promise<void>;
  /** Entries behind the cursor, or all. `request.invalid` for a cursor that is none of ours. */
  newestFirst(cursor?: string): AsyncIterable<IndexEntry>;
}

/** Beyond the year 2200: the inverted time stays positive and of constant width. */
const TIME_MAX_MS = 9_999_999_999_999;
const DAY_MS = 86_400_000;
const ENTRY_ID = /^(\d{13})~([a-z0-9-]{1,100})$/;

export function createTimeIndex(
  records: RecordStore,
  name: string,
  options: { readonly bucketed: boolean },
): TimeIndex {
  const daysPartition = `${name}-days`;
  const bucketOf = (invertedMs: number): string => String(Math.floor(invertedMs / DAY_MS)).padStart(6, '0');
  const partitionOf = (bucket: string): string => (options.bucketed ? `${name}-${bucket}` : name);

  async function* buckets(from: string): AsyncIterable<string> {
    if (!options.bucketed) yield '';
    else for await (const day of records.list(daysPartition)) if (day.id >= from) yield day.id;
  }

  return {
    async add(at, key, value) {
      const { invertedMs, id } = entryId(at, key);
      const bucket = bucketOf(invertedMs);
      // The day first: an entry in a day that is not listed would never be seen.
      if (options.bucketed && !(await records.read(daysPartition, bucket)))
        await records.put(daysPartition, bucket, {});
      await records.put(partitionOf(bucket), id, value);
    },

    async remove(at, key) {
      const { invertedMs, id } = entryId(at, key);
      await records.remove(partitionOf(bucketOf(invertedMs)), id);
    },

    async *newestFirst(cursor) {
      const after = cursor === undefined ? '' : parseCursor(cursor);
      const from = after === '' ? '' : bucketOf(Number(after.slice(0, 13)));
      for await (const bucket of buckets(from)) {
        for await (const record of records.list(partitionOf(bucket))) {
          const match = ENTRY_ID.exec(record.id);
          if (record.id > after && match?.[2] !== undefined) {
            yield { cursor: record.id, atMs: TIME_MAX_MS - Number(match[1]), key: match[2], value: record.value };
          }
        }
      }
    },
  };
}

function entryId(at: string, key: string): { invertedMs: number; id: string } {
  const atMs = z.iso.datetime({ offset: true }).transform(Date.parse).parse(at);
  const invertedMs = TIME_MAX_MS - atMs;
  return { invertedMs, id: `${String(invertedMs).padStart(13, '0')}~${key}` };
}

function parseCursor(cursor: string): string {
  if (!ENTRY_ID.test(cursor))
    throw new AppError('request.invalid', 'the cursor is not one that a list returned', {
      context: { parameter: 'cursor' },
    });
  return cursor;
}
