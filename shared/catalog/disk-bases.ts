/** The snapshot each disk's next incremental is compared with: that of its newest verified restore point. */
import { z } from 'zod';
import { pointIdSchema } from '../model/ids';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

export const diskBaseSchema = z.strictObject({
  pointId: pointIdSchema,
  snapshotId: z.string().min(1),
  /** Azure's incrementalSnapshotFamilyId: a diff across families is wrong. */
  familyId: z.string().optional(),
  /** uniqueId of the disk it was taken from: a disk made anew under the same name has another. */
  sourceUniqueId: z.string(),
  sizeBytes: z.number().int().positive(),
  logicalSectorBytes: z.number().int().positive(),
  takenAt: z.string(),
});
export type DiskBase = z.infer<typeof diskBaseSchema>;

/** diskKey = resourceKey(diskId). */
export interface DiskBases {
  read(diskKey: string): Promise<DiskBase | undefined>;
  /** Replaces. Only the job that holds the VM's lease writes, so nothing of another's is lost. */
  put(diskKey: string, base: DiskBase): Promise<void>;
  /** Gone already is fine. */
  remove(diskKey: string): Promise<void>;
  list(): AsyncIterable<{ readonly diskKey: string; readonly base: DiskBase }>;
}

const PARTITION = 'disk-bases';

export function createDiskBases(records: RecordStore): DiskBases {
  const parse = (diskKey: string, value: unknown): DiskBase =>
    parseRecord(diskBaseSchema, `the disk base ${diskKey}`, value);
  return {
    async read(diskKey) {
      const record = await records.read(PARTITION, diskKey);
      return record && parse(diskKey, record.value);
    },
    put: (diskKey, base) => records.put(PARTITION, diskKey, parse(diskKey, base)),
    remove: (diskKey) => records.remove(PARTITION, diskKey),
    async *list() {
      for await (const record of records.list(PARTITION)) {
        yield { diskKey: record.id, base: parse(record.id, record.value) };
      }
    },
  };
}
