import type { Lun } from '../../model/machine';
import type { TransferStats } from '../../model/transfer';
import { contract } from '../durable';

/** One disk's part of a transfer: enough to cut it into windows again at any time, so that no window list is stored. */
export interface TransferDisk {
  readonly lun: Lun;
  readonly diskBytes: number;
  readonly work:
    | {
        readonly kind: 'backup';
        readonly snapshotId: string;
        readonly base?: { readonly snapshotId: string; readonly pointId: string };
      }
    | { readonly kind: 'restore'; readonly pointId: string; readonly target: TransferTarget };
}

export type TransferTarget =
  | { readonly kind: 'image'; readonly name: string }
  | { readonly kind: 'disk'; readonly diskId: string };

export interface TransferPlan {
  readonly jobId: string;
  readonly tenant: string;
  readonly vmKey: string;
  readonly region: string;
  readonly windowBytes: number;
  /** zstd level of new data; absent: the product's default. */
  readonly zstdLevel?: number;
  readonly disks: readonly TransferDisk[];
}

export interface TransferInput {
  readonly plan: TransferPlan;
  readonly pollMs: number;
  /** No new byte for this long: messages are sent again and the fleet is launched again. */
  readonly stallMs: number;
  /** Carried across continue-as-new. */
  readonly progress?: { readonly bytes: number; readonly sinceMs: number; readonly stalls: number };
}

export interface TransferCheck {
  readonly windowsDone: number;
  readonly windowsTotal: number;
  /** Grows while anything moves: finished windows plus what the proxies report of those under way. */
  readonly bytesSeen: number;
  readonly failure?: { readonly code: string; readonly message: string };
}

export interface TransferResult {
  readonly stats: TransferStats;
}

export const transferOrchestrator = 'transferWindows';
export const transferInstanceId = (jobId: string): string => `${jobId}-transfer`;
export const wakeEvent = 'wake';

export const sendTransfers = contract<{ plan: TransferPlan }, { sent: number }>('sendTransfers');
export const checkTransfers = contract<{ plan: TransferPlan }, TransferCheck>('checkTransfers');
