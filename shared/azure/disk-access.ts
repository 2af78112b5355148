/** The data plane's door to managed disks: snapshots to read, upload disks to write. */
import { type Clock, systemClock } from '../base/clock';
import type { RetryRule } from '../base/retry';
import type { DiskAccess } from '../dataproxy/ports';
import { limits } from '../model/limits';
import { AccessCache } from './access-cache';
import { Arm, type ArmOptions } from './arm';
import { BlobHttp } from './blob-http';
import { azureBlobSuffixes, isLoopbackUrl } from './sas-host';
import { openSnapshotReader } from './snapshot-reader';
import { UploadWriter } from './upload-writer';

export interface DiskAccessOptions extends ArmOptions {
  /** Life of a SAS; renewed while work goes on. */
  readonly accessSeconds?: number;
  /** Requests under way per disk. */
  readonly concurrency?: number;
  /** Ends of the host names a SAS may point to. Loopback is allowed only when the ARM endpoint itself is loopback. */
  readonly hostSuffixes?: readonly string[];
  readonly dataRule?: RetryRule;
  readonly limitRule?: RetryRule;
  readonly deadlineBaseMs?: number;
}

/** What reader and writer share. */
export interface DataPlane {
  readonly http: BlobHttp;
  readonly accesses: AccessCache;
  readonly rule: RetryRule;
  readonly clock: Clock;
  readonly random: () => number;
  /** Whether the service gives checksums of ranged reads: assumed until it refuses one. */
  readonly checksums: { offered: boolean };
}

export interface ClosableDiskAccess extends DiskAccess {
  /** Ends the sockets. */
  close(): Promise<void>;
}

export function createDiskAccess(options: DiskAccessOptions): ClosableDiskAccess {
  const concurrency = options.concurrency ?? 8;
  const clock = options.clock ?? systemClock;
  const http = new BlobHttp({
    connections: concurrency * 8, // several disks at a time may share one host
    ...(options.deadlineBaseMs === undefined ? {} : { deadlineBaseMs: options.deadlineBaseMs }),
  });
  const plane: DataPlane = {
    http,
    clock,
    random: options.random ?? Math.random,
    checksums: { offered: true },
    rule: options.dataRule ?? { attemptsMax: 8, firstDelayMs: 250, delayMsMax: 15_000 },
    accesses: new AccessCache(new Arm(options), {
      accessSeconds: options.accessSeconds ?? limits.accessSecondsDefault,
      concurrency,
      hostSuffixes: options.hostSuffixes ?? azureBlobSuffixes,
      allowLoopback: isLoopbackUrl(options.armEndpoint),
      clock,
      ...(options.limitRule ? { limitRule: options.limitRule } : {}),
    }),
  };
  return {
    openSnapshot: (request) => openSnapshotReader(plane, request),
    openUpload: async (request) => new UploadWriter(plane, request),
    close: () => http.close(),
  };
}
