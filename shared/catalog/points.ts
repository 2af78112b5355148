/** Restore points as the control plane knows them. A copy: the records in the store are the truth and rebuild these. */
import { z } from 'zod';
import { resourceKey } from '../model/ids';
import { type RestorePoint, restorePointSchema } from '../model/restore-point';
import type { Page } from './page';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';
import { createTimeIndex } from './time-index';

/** What was read back from the store before the point was believed. 'none': published, and not verified yet or in vain. */
export const verificationSchema = z.strictObject({
  level: z.enum(['none', 'structure', 'sample', 'full']),
  /** When it was done; absent for 'none'. */
  verifiedAt: z.string().optional(),
  /** Packs that were found in the store with the recorded size. */
  packs: z.number().int().min(0).optional(),
  /** Blocks that were decrypted and hashed again. */
  sampledBlocks: z.number().int().min(0).optional(),
  bytesRead: z.number().int().min(0).optional(),
});
export type Verification = z.infer<typeof verificationSchema>;

const pointRecordSchema = z.strictObject({ point: restorePointSchema, verification: verificationSchema });
export type PointRecord = z.infer<typeof pointRecordSchema>;

export interface Points {
  /** Safe to repeat; a later verification of the same point replaces the earlier. */
  put(point: RestorePoint, verification: Verification): Promise<void>;
  read(pointId: string): Promise<PointRecord | undefined>;
  /** Newest first, at most `limit`. */
  list(filter?: { readonly vmId?: string; readonly limit?: number }): Promise<PointRecord[]>;
  page(filter: {
    readonly vmId?: string | undefined;
    readonly limit: number;
    readonly cursor?: string | undefined;
  }): Promise<Page<PointRecord>>;
  /** The newest point of a VM by the index alone, without reading the point. */
  latest(vmId: string): Promise<{ readonly id: string; readonly createdAt: string } | undefined>;
}

const PARTITION = 'points';
const latestSchema = z.strictObject({ createdAt: z.string() });

export function createPoints(records: RecordStore): Points {
  const byTime = createTimeIndex(records, 'points-by-time', { bucketed: true });
  const byVm = (vmId: string) => createTimeIndex(records, `points-of-${resourceKey(vmId)}`, { bucketed: false });

  const read = async (pointId: string): Promise<PointRecord | undefined> => {
    const record = await records.read(PARTITION, pointId);
    return record && parseRecord(pointRecordSchema, `restore point ${pointId}`, record.value);
  };

  const page: Points['page'] = async ({ vmId, limit, cursor }) => {
    const items: PointRecord[] = [];
    let last: string | undefined;
    for await (const entry of (vmId === undefined ? byTime : byVm(vmId)).newestFirst(cursor)) {
      if (items.length >= limit) return last === undefined ? { items } : { items, nextCursor: last };
      last = entry.cursor;
      const found = await read(entry.key);
      if (found) items.push(found);
    }
    return { items };
  };

  return {
    read,
    page,

    async put(point, verification) {
      const record = parseRecord(pointRecordSchema, `restore point ${point.id}`, { point, verification });
      await records.put(PARTITION, point.id, record);
      await byTime.add(point.createdAt, point.id, { createdAt: point.createdAt });
      await byVm(point.machine.id).add(point.createdAt, point.id, { createdAt: point.createdAt });
    },

    list: async ({ vmId, limit = Number.POSITIVE_INFINITY } = {}) => [...(await page({ vmId, limit })).items],

    async latest(vmId) {
      for await (const entry of byVm(vmId).newestFirst()) {
        const { createdAt } = parseRecord(latestSchema, `an index entry of ${entry.key}`, entry.value);
        return { id: entry.key, createdAt };
      }
      return undefined;
    },
  };
}
