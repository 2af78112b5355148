/**
 * What the scale model stands on. Each figure says where it is from: counted here (measured.json), measured here
 * (docs/performance.md), or documented by the platform. A documented figure was not checked against a live account.
 */
const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export const limitsOfClouds = {
  /** Azure Resource Manager, requests a second that refill, for each subscription, region and principal (documented). */
  armReadsPerSecond: 25,
  armWritesPerSecond: 10,
  armDeletesPerSecond: 10,
  /** The buckets that refill: a burst up to this costs nothing (documented). */
  armReadBurst: 250,
  armWriteBurst: 200,
  /** One storage queue, messages of 1 KiB a second; one account, requests a second (documented). */
  queueMessagesPerSecond: 2000,
  storageRequestsPerSecond: 20_000,
  /** Durable Functions on Azure Storage, for each partition of the task hub: activities and turns a second (documented as
   * 5 activities a second in sequence, 100 in parallel, for an instance on one core). */
  durableActivitiesPerSecondPerPartition: 100,
  durableTurnsPerSecondPerPartition: 50,
  durablePartitionsDefault: 4,
  durablePartitionsMax: 16,
  /** S3, for each prefix (documented); packs spread over 256 prefixes by their random names. */
  s3WritesPerSecondPerPrefix: 3500,
  s3ReadsPerSecondPerPrefix: 5500,
  packPrefixes: 256,
  /** Flex Consumption: instances of 4 GiB that one subscription may run in a region (documented default: 512,000 MB). */
  flexInstancesPerRegion: 117,
  /** A managed disk's snapshot is read through one SAS at about 60 MiB/s a 30 GiB disk and more for larger ones (documented
   * for the throughput of page blobs of standard accounts). */
  diskReadBytesPerSecond: 60 * MIB,
  /** STS: assumptions of a role a second for an account and region (documented as a soft limit). */
  stsPerSecond: 600,
} as const;

export const measuredHere = {
  /** CPU seconds of a proxy for each MiB of new data, read, hashed, compressed, encrypted, verified (docs/performance.md). */
  cpuSecondsPerNewMib: 0.0058,
  /** TLS and HTTP on both sides add this much for each MiB moved (design measurements, loopback). */
  cpuSecondsPerMovedMib: 0.0028,
  /** Work of a proxy for a window beside its data: fact, checkpoint, index, leaves (docs/performance.md, page ranges 1 %). */
  secondsPerWindow: 0.18,
  coresPerProxy: 2,
  /** One process runs two windows at once. */
  windowsAtATime: 2,
  /** S3 writes for each GiB stored, all kinds together (docs/performance.md). */
  s3WritesPerStoredGib: 42,
  /** Bytes of the deduplication index for each block (docs/performance.md). */
  indexBytesPerBlock: 20.9,
  blockBytes: 64 * 1024,
  indexBlocksMax: 100_000_000,
  windowBytes: 8 * GIB,
  /** Stored over new bytes, zstd 1 (docs/performance.md: 487 of 1207 MiB). */
  storedOverNew: 0.404,
  auditBlocksPerWindow: 16,
  pollSeconds: 10,
} as const;

/** List prices in US dollars, retrieved in November 2026 from what third parties repeat; replace them with your contract's. */
export const prices = {
  azureEgressPerGib: 0.083,
  azureSnapshotPerGibMonth: 0.05,
  flexPerGibSecond: 0.000026,
  flexPerMillionExecutions: 0.4,
  queuePerMillionOperations: 0.4,
  tablePerMillionOperations: 0.036,
  s3StandardPerGibMonth: 0.023,
  s3PutPerThousand: 0.005,
  s3GetPerThousand: 0.0004,
} as const;
