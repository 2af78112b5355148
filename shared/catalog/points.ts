/** Restore points as the control plane knows them. A copy: the records in the store are the truth and rebuild these. */
import { z } from 'zod';
import { resourceKey } from '../model/ids';
import { type RestorePoint, restorePointSchema } from '../model/restore-point';
import type { Page } from './page';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';
import { createTimeIndex, type TimeIndex } from './time-index';
import { updateRecord } from './update-record';

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

/** What became of a point since it was made, as its register in the store said when it was last looked at. */
export const standingSchema = z.strictObject({
  /** Ends by no rule and by nobody's hand. */
  hold: z.strictObject({ at: z.string(), by: z.string(), reason: z.string() }).optional(),
  /** Given up, and to be had back for a while. */
  expiry: z.strictObject({ at: z.string(), by: z.string(), reason: z.string() }).optional(),
});
export type Standing = z.infer<typeof standingSchema>;

const pointRecordSchema = z.strictObject({
  point: restorePointSchema,
  verification: verificationSchema,
  standing: standingSchema.default({}),
});
export type PointRecord = z.infer<typeof pointRecordSchema>;

export interface Points {
  /** Safe to repeat; a later verification of the same point replaces the earlier. Its standing stays. */
  put(point: RestorePoint, verification: Verification): Promise<void>;
  /** Safe to repeat. A point that is given up leaves the lists, one that is taken back returns. */
  stand(pointId: string, standing: Standing): Promise<void>;
  /** Its data are gone, so the catalog forgets it. Safe to repeat. */
  forget(pointId: string): Promise<void>;
  /** Also one that is given up. */
  read(pointId: string): Promise<PointRecord | undefined>;
  /** Ids of VMs that have or had a point, in a fixed order, after `after`, at most `limit`. */
  vms(page: { readonly after?: string | undefined; readonly limit: number }): Promise<VmWithPoints[]>;
  /** Those given up that can still be had back, newest first. */
  expired(filter: { readonly limit: number }): Promise<PointRecord[]>;
  /** Newest first, at most `limit`. Lists and pages hold no point that is given up. */
  list(filter?: { readonly vmId?: string; readonly limit?: number }): Promise<PointRecord[]>;
  page(filter: {
    readonly vmId?: string | undefined;
    readonly limit: number;
    readonly cursor?: string | undefined;
  }): Promise<Page<PointRecord>>;
  /** The newest point of a VM by the index alone, without reading the point. */
  latest(vmId: string): Promise<{ readonly id: string; readonly createdAt: string } | undefined>;
}

export interface VmWithPoints {
  readonly vmId: string;
  /** Its place in the order. */
  readonly key: string;
}

const PARTITION = 'points';
const VMS = 'points-vms';
const vmSchema = z.strictObject({ vmId: z.string() });
const latestSchema = z.strictObject({ createdAt: z.string() });

export function createPoints(records: RecordStore): Points {
  const byTime = createTimeIndex(records, 'points-by-time', { bucketed: true });
  const givenUp = createTimeIndex(records, 'points-given-up', { bucketed: false });
  const byVm = (vmId: string) => createTimeIndex(records, `points-of-${resourceKey(vmId)}`, { bucketed: false });
  const listsOf = ({ machine }: RestorePoint): TimeIndex[] => [byTime, byVm(machine.id)];

  const read = async (pointId: string): Promise<PointRecord | undefined> => {
    const record = await records.read(PARTITION, pointId);
    return record && parseRecord(pointRecordSchema, `restore point ${pointId}`, record.value);
  };

  const pageOf = async (index: TimeIndex, limit: number, cursor?: string): Promise<Page<PointRecord>> => {
    const items: PointRecord[] = [];
    let last: string | undefined;
    for await (const entry of index.newestFirst(cursor)) {
      if (items.length >= limit) return last === undefined ? { items } : { items, nextCursor: last };
      last = entry.cursor;
      const found = await read(entry.key);
      if (found) items.push(found);
    }
    return { items };
  };

  /** The record first, then out of one list and into the other: whoever crashes in between repeats. */
  const write = async (
    pointId: string,
    change: (current: PointRecord | undefined) => PointRecord | undefined,
  ): Promise<void> => {
    const parse = (value: unknown): PointRecord => parseRecord(pointRecordSchema, `restore point ${pointId}`, value);
    const checked = (current: PointRecord | undefined): PointRecord | undefined => {
      const next = change(current);
      return next && parse(next);
    };
    const record = await updateRecord(records, { partition: PARTITION, id: pointId }, parse, checked);
    if (!record) return;
    const { point, standing } = record;
    const lists = listsOf(point);
    const [into, out] = standing.expiry === undefined ? [lists, [givenUp]] : [[givenUp], lists];
    const vmKey = resourceKey(point.machine.id);
    if (!(await records.read(VMS, vmKey))) await records.put(VMS, vmKey, { vmId: point.machine.id });
    for (const index of into) await index.add(point.createdAt, point.id, { createdAt: point.createdAt });
    for (const index of out) await index.remove(point.createdAt, point.id);
  };

  const page: Points['page'] = ({ vmId, limit, cursor }) =>
    pageOf(vmId === undefined ? byTime : byVm(vmId), limit, cursor);

  return {
    read,
    page,

    put: (point, verification) =>
      write(point.id, (current) => ({ point, verification, standing: current?.standing ?? {} })),

    stand: (pointId, standing) => write(pointId, (current) => current && { ...current, standing }),

    async forget(pointId) {
      const record = await read(pointId);
      if (!record) return;
      for (const index of [...listsOf(record.point), givenUp]) await index.remove(record.point.createdAt, pointId);
      await records.remove(PARTITION, pointId);
    },

    async vms({ after = '', limit }) {
      const found: VmWithPoints[] = [];
      for await (const { id, value } of records.list(VMS)) {
        if (id <= after) continue;
        if (found.length >= limit) break;
        found.push({ key: id, vmId: parseRecord(vmSchema, `a VM with restore points ${id}`, value).vmId });
      }
      return found;
    },

    expired: async ({ limit }) => [...(await pageOf(givenUp, limit)).items],

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
