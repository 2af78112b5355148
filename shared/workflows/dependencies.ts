/** What activities are given. Assembled in app/compose.ts; faked in unit tests. */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { LockExtender, StoreRole } from '../blockstore/object-store';
import type { Repository } from '../blockstore/repository';
import type { Catalog } from '../catalog/catalog';
import type { CollectorContext } from '../collector/context';
import type { Compute, ImageFiles, TransferQueue } from './ports';

export interface WorkflowSettings {
  readonly tenant: string;
  /** Resource group, in the VM's own subscription, that holds our snapshots and nothing else. */
  readonly snapshotGroup: string;
  readonly windowBytes: number;
  readonly pollMs: number;
  readonly stallMs: number;
  /** Default retention of the data bucket; undefined when it has none, and then no lock is kept. */
  readonly lockDays?: number | undefined;
}

export interface WorkflowDependencies {
  readonly catalog: Catalog;
  readonly compute: Compute;
  readonly transfers: TransferQueue;
  readonly images: ImageFiles;
  readonly openRepository: (request: { role: StoreRole; tenant: string; sessionId: string }) => Promise<Repository>;
  /** Object locks, under the keeper's credential. */
  readonly locks: (request: { tenant: string; sessionId: string }) => LockExtender;
  /** Under the collector's role; absent when there is none: then nothing expires and nothing is deleted. */
  readonly openCollector?: (signal: AbortSignal) => Promise<CollectorContext>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Lower-case hex of that many bytes. */
  readonly randomHex: (bytes: number) => string;
  readonly settings: WorkflowSettings;
}

/** Tags on everything we make in Azure: the janitor deletes only what carries them and is recorded as ours. */
export const jobTag = 'blockferry-job';
export const tenantTag = 'blockferry-tenant';
export const sourceTag = 'blockferry-source';
