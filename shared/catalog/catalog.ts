/** Everything the control plane remembers, over one record store. */
import type { Clock } from '../base/clock';
import { createDiskBases, type DiskBases } from './disk-bases';
import { createHeartbeats, type Heartbeats } from './heartbeats';
import { createIdempotency, type Idempotency } from './idempotency';
import { createIntents, type Intents } from './intents';
import { createJobLog, type JobLog } from './job-log';
import { createJobs, type Jobs } from './jobs';
import { createLeases, type Leases } from './leases';
import { createMachines, type Machines } from './machines';
import { createPoints, type Points } from './points';
import { createPolicies, type Policies } from './policies';
import { createQuotas, type Quotas } from './quotas';
import type { RecordStore } from './record-store';
import { createRetentionRuns, type RetentionRuns } from './retention-runs';

export interface Catalog {
  readonly policies: Policies;
  readonly jobs: Jobs;
  readonly jobLog: JobLog;
  readonly leases: Leases;
  readonly points: Points;
  readonly bases: DiskBases;
  readonly intents: Intents;
  readonly machines: Machines;
  readonly idempotency: Idempotency;
  readonly quotas: Quotas;
  readonly heartbeats: Heartbeats;
  readonly retentionRuns: RetentionRuns;
}

export function createCatalog(records: RecordStore, clock: Clock): Catalog {
  return {
    policies: createPolicies(records, clock),
    jobs: createJobs(records, clock),
    jobLog: createJobLog(records, clock),
    leases: createLeases(records, clock),
    points: createPoints(records),
    bases: createDiskBases(records),
    intents: createIntents(records, clock),
    machines: createMachines(records),
    idempotency: createIdempotency(records, clock),
    quotas: createQuotas(records, clock),
    heartbeats: createHeartbeats(records, clock),
    retentionRuns: createRetentionRuns(records),
  };
}
