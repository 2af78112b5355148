/**
 * At most one job a VM. A lease has no clock: its holder is a job, and whether that job still lives is asked of the job, not
 * of the time. A dead holder's lease is taken over by name, so that two who see it dead cannot both win.
 */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { isAppError } from '../model/errors';
import { jobIdSchema } from '../model/ids';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

export interface Leases {
  /** Safe to repeat by the same job. `holder` is whoever has it now, since `acquiredAt` (ISO). */
  acquire(
    vmKey: string,
    jobId: string,
  ): Promise<{ readonly holder: string; readonly acquired: boolean; readonly acquiredAt: string }>;
  /** undefined when free. */
  holder(vmKey: string): Promise<string | undefined>;
  /** Only its own: another's lease stays. Safe to repeat. */
  release(vmKey: string, jobId: string): Promise<void>;
  /** Puts `jobId` in the place of `expectedHolder`, whom the caller knows to have ended. false when another holds it by now. */
  takeOver(vmKey: string, jobId: string, expectedHolder: string): Promise<boolean>;
  list(): AsyncIterable<{ readonly vmKey: string; readonly holder: string; readonly acquiredAt: string }>;
}

const PARTITION = 'leases';
const leaseSchema = z.strictObject({ jobId: jobIdSchema, acquiredAt: z.string() });

export function createLeases(records: RecordStore, clock: Clock): Leases {
  const leaseOf = (jobId: string) => ({ jobId, acquiredAt: new Date(clock.now()).toISOString() });
  const read = async (vmKey: string) => {
    const record = await records.read(PARTITION, vmKey);
    return record && { etag: record.etag, lease: parseRecord(leaseSchema, `the lease ${vmKey}`, record.value) };
  };

  const acquire: Leases['acquire'] = async (vmKey, jobId) => {
    // Twice at most: a holder that releases between our create and our read makes room once, then it is someone's again.
    for (let round = 1; ; round++) {
      const current = await read(vmKey);
      if (current) {
        const { jobId: holder, acquiredAt } = current.lease;
        return { holder, acquired: holder === jobId, acquiredAt };
      }
      const lease = leaseOf(jobId);
      try {
        await records.create(PARTITION, vmKey, lease);
        return { holder: jobId, acquired: true, acquiredAt: lease.acquiredAt };
      } catch (error) {
        if (!isAppError(error, 'record.conflict') || round > 8) throw error;
      }
    }
  };

  return {
    acquire,
    holder: async (vmKey) => (await read(vmKey))?.lease.jobId,

    async release(vmKey, jobId) {
      const current = await read(vmKey);
      if (current?.lease.jobId !== jobId) return;
      try {
        await records.remove(PARTITION, vmKey, current.etag);
      } catch (error) {
        // Changed since the read: it was taken over, so it is not ours to release.
        if (!isAppError(error, 'record.conflict')) throw error;
      }
    },

    async takeOver(vmKey, jobId, expectedHolder) {
      const current = await read(vmKey);
      if (current === undefined) return (await acquire(vmKey, jobId)).acquired;
      if (current.lease.jobId === jobId) return true;
      if (current.lease.jobId !== expectedHolder) return false;
      try {
        await records.update(PARTITION, vmKey, leaseOf(jobId), current.etag);
        return true;
      } catch (error) {
        if (!isAppError(error, 'record.conflict')) throw error;
        return (await read(vmKey))?.lease.jobId === jobId;
      }
    },

    async *list() {
      for await (const record of records.list(PARTITION)) {
        const lease = parseRecord(leaseSchema, `the lease ${record.id}`, record.value);
        yield { vmKey: record.id, holder: lease.jobId, acquiredAt: lease.acquiredAt };
      }
    },
  };
}
