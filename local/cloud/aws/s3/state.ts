/** Opens the S3 state of a directory and creates the buckets of the seed that are missing. */
import { join } from 'node:path';
import type { Account } from '../iam/account';
import type { BucketSeed } from '../seed';
import { bucketsIn } from './buckets';
import type { S3State } from './call';
import { openDataFiles } from './data-files';
import { openDatabase } from './database';
import { uploadsIn } from './uploads';
import { versionsIn } from './versions';
import { createWriteConflicts } from './write-conflicts';

export interface S3StateOptions {
  readonly directory: string;
  readonly account: Account;
  readonly seedBuckets: readonly BucketSeed[];
  readonly treatLoopbackAsTls: boolean;
  readonly nowMs: number;
}

export function openS3State(options: S3StateOptions): S3State {
  const database = openDatabase(options.directory);
  const versions = versionsIn(database);
  const state: S3State = {
    account: options.account,
    database,
    buckets: bucketsIn(database),
    versions,
    uploads: uploadsIn(database),
    files: openDataFiles(join(options.directory, 'objects'), (file) => versions.isKnownFile(file)),
    conflicts: createWriteConflicts(),
    treatLoopbackAsTls: options.treatLoopbackAsTls,
  };
  for (const bucket of options.seedBuckets) seedBucket(state, bucket, options.nowMs);
  return state;
}

function seedBucket(state: S3State, seed: BucketSeed, nowMs: number): void {
  const { buckets, database, account } = state;
  if (buckets.get(seed.name) !== undefined) return;
  const objectLock = seed.objectLockDays !== undefined;
  const days = seed.objectLockDays ?? 0;
  database.transaction(() => {
    buckets.create({ name: seed.name, region: account.region, createdAt: nowMs, objectLock });
    if (seed.versioning === true) buckets.setVersioning(seed.name, 'Enabled');
    if (days > 0) buckets.setObjectLock(seed.name, { mode: 'COMPLIANCE', days, years: undefined });
    if (seed.policy !== undefined) buckets.setPolicy(seed.name, JSON.stringify(seed.policy));
  });
}
