/**
 * The VM of a job as it was when the job began: the recipe that is kept with the restore point. Too large for the history
 * of an orchestration, and it must not change while the job runs, so each job has its own copy.
 */
import { type Machine, machineSchema } from '../model/machine';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

export interface Machines {
  read(jobId: string): Promise<Machine | undefined>;
  /** Replaces: a step that is repeated before anything else was done may describe the VM anew. */
  put(jobId: string, machine: Machine): Promise<void>;
  /** Gone already is fine. */
  remove(jobId: string): Promise<void>;
}

const PARTITION = 'job-machines';

export function createMachines(records: RecordStore): Machines {
  const parse = (jobId: string, value: unknown): Machine =>
    parseRecord(machineSchema, `the machine of job ${jobId}`, value);
  return {
    async read(jobId) {
      const record = await records.read(PARTITION, jobId);
      return record && parse(jobId, record.value);
    },
    put: (jobId, machine) => records.put(PARTITION, jobId, parse(jobId, machine)),
    remove: (jobId) => records.remove(PARTITION, jobId),
  };
}
