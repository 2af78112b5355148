import type { DiskInfo, Lun } from '../../model/machine';
import { contract, stubborn } from '../durable';
import type { TransferPlan } from '../transfer/contracts';

export const backupOrchestrator = 'backupJob';
export const snapshotOrchestrator = 'snapshotMachine';

export interface BackupJobInput {
  readonly vmId: string;
  readonly policy?: string;
  readonly excludeLuns: readonly number[];
  /** As the policy says. */
  readonly zstdLevel?: number;
}

/** What the job works on, fixed at its start. */
export interface BackupScope {
  readonly jobId: string;
  readonly vmKey: string;
  readonly region: string;
  readonly disks: readonly ScopeDisk[];
  readonly pollMs: number;
  readonly stallMs: number;
  readonly zstdLevel?: number;
}

export interface ScopeDisk {
  readonly lun: Lun;
  readonly diskId: string;
  readonly uniqueId: string;
  readonly sizeBytes: number;
  /** Made by this job alone. */
  readonly snapshotId: string;
}

export interface SnapshotCheck {
  readonly pending: number;
}

export interface BaseSnapshot {
  readonly snapshotId: string;
  /** The job that took it, under whose id its intent stands. */
  readonly madeBy: string;
}

export interface BackupTransferPlan {
  readonly plan: TransferPlan;
  /** Per disk why it is read in full although an earlier restore point exists; absent for the first one and for incrementals. */
  readonly fullReasons: Readonly<Record<string, string>>;
  /** Snapshots of the previous point; deleted once the new point is verified. */
  readonly bases: readonly BaseSnapshot[];
}

/** What the verification looked at. */
export interface VerifiedPoint {
  readonly packs: number;
  readonly sampledBlocks: number;
  readonly bytesRead: number;
}

export interface JobEnd {
  readonly jobId: string;
  readonly status: 'succeeded' | 'failed' | 'canceled';
  readonly failure?: { readonly code: string; readonly message: string };
  readonly notes: readonly string[];
}

export const beginBackup = contract<BackupJobInput & { jobId: string }, BackupScope>('beginBackup');
export const enterPhase = contract<{ jobId: string; phase: string }, null>('enterPhase');
export const requestSnapshot = contract<{ jobId: string; region: string; vmId: string; disk: ScopeDisk }, null>(
  'requestSnapshot',
);
export const checkSnapshots = contract<{ jobId: string; disks: readonly ScopeDisk[] }, SnapshotCheck>('checkSnapshots');
export const prepareTransfer = contract<{ scope: BackupScope }, BackupTransferPlan>('prepareTransfer');
export const publishPoint = contract<
  { scope: BackupScope; input: BackupJobInput; prepared: BackupTransferPlan },
  { pointId: string; notes: string[] }
>('publishPoint');
export const verifyPoint = contract<{ jobId: string; vmKey: string; pointId: string }, VerifiedPoint>('verifyPoint');
/** Makes the verified point the base of the next run: catalog, then bases. */
export const adoptPoint = contract<{ scope: BackupScope; pointId: string; verified: VerifiedPoint }, null>(
  'adoptPoint',
);
/** Fences the job's session, so that nothing of it can be published any more. */
export const abandonSession = contract<{ jobId: string; vmKey: string }, { committed: boolean }>(
  'abandonSession',
  stubborn,
);
export const endAccess = contract<{ jobId: string; snapshotId: string }, null>('endAccess', stubborn);
export const removeSnapshot = contract<{ jobId: string; snapshotId: string; madeBy?: string }, null>(
  'removeSnapshot',
  stubborn,
);
export const endJob = contract<JobEnd & { vmKey?: string }, null>('endJob', stubborn);

export type { DiskInfo };
