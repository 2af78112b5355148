/** What the data plane needs from the outside. Implemented in azure/; faked in unit tests. */
import type { ByteRange } from '../model/byte-range';
import type { Transfer, TransferEvent } from '../model/transfer';

/** A snapshot, readable. Offsets are disk offsets; the VHD footer behind the disk is not part of it. */
export interface DiskReader {
  /** Disk bytes, without footer. */
  readonly sizeBytes: number;
  /** Ranges inside `within` that hold data: sorted, disjoint, multiples of 512. Whatever is unlisted reads as zeros. */
  allocatedRanges(within: ByteRange, signal: AbortSignal): Promise<ByteRange[]>;
  /**
   * Ranges inside `within` that may differ from the base snapshot, written and cleared ones alike; sorted, disjoint.
   * `source.bad-ranges` when the answer is malformed, truncated or refused: the caller then reads in full.
   */
  changedRanges(within: ByteRange, signal: AbortSignal): Promise<ByteRange[]>;
  /**
   * Exactly the bytes of the range, in `into` when that is given (as long as the range) or in a buffer of the reader's own.
   * Nothing writes to `into` any more once it has resolved or rejected. Length and Content-Range are checked; retried inside;
   * deadline per request.
   */
  read(range: ByteRange, signal: AbortSignal, into?: Buffer): Promise<Buffer>;
}

/** A disk or image being restored. */
export interface DiskWriter {
  /** Idempotent. `bytes` may be any multiple of 512. */
  write(offset: number, bytes: Buffer, signal: AbortSignal): Promise<void>;
  /** Makes the range read as zeros, whatever an earlier attempt left there. */
  zero(range: ByteRange, signal: AbortSignal): Promise<void>;
  /** All that was written is durable when it resolves. */
  flush(signal: AbortSignal): Promise<void>;
}

export interface DiskAccess {
  /**
   * Opens a snapshot for reading, with `baseSnapshotId` for diffs. Asks for SAS access itself (Azure gives every asker the same
   * url while one is active), renews it when it expires, and never revokes: the control plane owns the revocation.
   */
  openSnapshot(request: { readonly snapshotId: string; readonly baseSnapshotId?: string }): Promise<DiskReader>;
  /** Opens a managed disk in state ActiveUpload for writing. */
  openUpload(request: { readonly diskId: string; readonly diskBytes: number }): Promise<DiskWriter>;
}

export interface TransferEvents {
  /** Best effort, at least once; a failure to report never fails a transfer. */
  report(event: TransferEvent): Promise<void>;
}

/** One message off the region's queue, invisible to others while renewed. */
export interface TransferDelivery {
  /** Parsed; undefined when the text is not a Transfer (a poison message). */
  readonly transfer: Transfer | undefined;
  /** How often it has been delivered, from 1. */
  readonly deliveries: number;
  /** Keeps it invisible. Resolves false when the lease is lost: stop at once. */
  renew(): Promise<boolean>;
  /** Work done: removes it for good. */
  done(): Promise<void>;
  /** Hand-over: visible again after `delayMs`. */
  release(delayMs: number): Promise<void>;
  /** Moves it to the poison queue. */
  poison(reason: string): Promise<void>;
}

export interface TransferSource {
  /** The next message, or undefined when none came within the poll. */
  receive(signal: AbortSignal): Promise<TransferDelivery | undefined>;
}
