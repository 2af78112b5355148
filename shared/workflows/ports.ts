/** What the control plane needs from the clouds. Implemented in azure/; faked in unit tests. All calls have deadlines. */
import type { DiskInfo, Machine } from '../model/machine';
import type { Transfer } from '../model/transfer';

export interface SnapshotState {
  readonly id: string;
  /** 'gone': no such resource. 'usable': succeeded, copied completely, and readable. */
  readonly state: 'gone' | 'pending' | 'usable' | 'failed';
  readonly completionPercent: number;
  readonly takenAt: string;
  readonly familyId: string | undefined;
  /** uniqueId of the disk it was taken from. */
  readonly sourceUniqueId: string | undefined;
  readonly sourceDiskId: string | undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Compute {
  /** Every VM of the subscription, every page, with its disks' sizes and unique ids. */
  listMachines(subscription: string): Promise<Machine[]>;
  /** undefined when Azure knows no such VM. */
  getMachine(vmId: string): Promise<Machine | undefined>;
  getDisk(
    diskId: string,
  ): Promise<{ readonly uniqueId: string; readonly state: string; readonly sizeBytes: number } | undefined>;

  /**
   * Starts an incremental snapshot; does not wait for it. Repeating it with the same id is harmless *because* Azure's PUT is
   * an upsert, and dangerous for the same reason: the id must belong to this job and disk alone.
   */
  startSnapshot(request: {
    readonly snapshotId: string;
    readonly disk: DiskInfo;
    readonly region: string;
    readonly tags: Readonly<Record<string, string>>;
  }): Promise<void>;
  getSnapshot(snapshotId: string): Promise<SnapshotState>;
  /** Our snapshots in the group, found by tag. For reconciliation. */
  listSnapshots(subscription: string, resourceGroup: string): Promise<SnapshotState[]>;
  /** Ends SAS access of a snapshot. Fine when there is none, or no such snapshot. Waits for the end. */
  revokeSnapshotAccess(snapshotId: string): Promise<void>;
  /** Revokes, then deletes. Fine when it is gone already. Waits until it is gone. */
  deleteSnapshot(snapshotId: string): Promise<void>;

  /** Is there such a resource group? Asked before a restore into it starts. */
  hasResourceGroup(subscription: string, resourceGroup: string): Promise<boolean>;
  /** Starts an Upload disk for a restore (state ActiveUpload once writing is granted). Repeatable with the same id. `restore.target-exists` for a foreign disk. */
  createUploadDisk(request: {
    readonly diskId: string;
    readonly region: string;
    readonly template: DiskInfo;
    readonly tags: Readonly<Record<string, string>>;
  }): Promise<void>;
  /** Ends the upload: the disk becomes Unattached, attachable. Repeatable. */
  finishUploadDisk(diskId: string): Promise<void>;
  /** Removes a disk that a failed or canceled restore of ours made: only when its job tag matches. Fine when gone. */
  discardUploadDisk(diskId: string, jobId: string): Promise<void>;
}

/** The region's queue of transfers. */
export interface TransferQueue {
  /** Sends all; repeating sends again, which the data plane tolerates. Makes the queue when missing. */
  send(region: string, transfers: readonly Transfer[]): Promise<void>;
}

/** Launches and removes the data proxies of a region. Both are idempotent and return before a machine has booted. */
export interface DataProxyFleet {
  launch(region: string): Promise<void>;
  remove(region: string): Promise<void>;
}

/** Image files of restores, in the directory that the function app shares with the data proxies. */
export interface ImageFiles {
  /** The finished image gets its final name. Repeatable. */
  finish(partialName: string, finalName: string): Promise<void>;
  /** Fine when there is none. */
  discard(partialName: string): Promise<void>;
}
