/** Every loop, list, queue, retry and buffer of the product has its bound here, with the reason. */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

export const limits = {
  /** Unit of deduplication. Measured best for incrementals: docs/decisions/0002. */
  blockBytes: 64 * KIB,
  /** New blocks compressed together; compression gains nothing beyond. */
  frameBlocks: 16,
  /** A pack is closed when its stored bytes reach this; one PUT each. With 48 MiB a backup of half a GiB still has 42 writes a GiB. */
  packBytes: 48 * MIB,
  /** Data in flight in one process, all windows together: reads, frames and packs, backup and restore alike. */
  memoryBytes: 288 * MIB,
  /** The reads' part of it; the rest holds the packs of two windows on two cores. */
  readMemoryBytes: 56 * MIB,
  /** Stored bytes after which a window's packs are named by an index segment and its position is saved. */
  checkpointStoredBytes: 256 * MIB,
  /** The same by bytes read, for windows that find almost everything known. */
  checkpointReadBytes: GIB,
  /** Blocks of which all are kept in the index (2.2 GiB, 6 TiB of unique data); above, every 64th and what lies near. */
  indexBlocksMax: 100_000_000,
  /** zstd level of new frames unless the policy says otherwise. */
  zstdLevelDefault: 1,
  zstdLevelMax: 19,
  /** Span of a disk that one manifest leaf describes. */
  leafBytes: 64 * MIB,
  /** Default span of a window: the unit of retry, checkpoint and progress. A multiple of leafBytes. */
  windowBytesDefault: 8 * GIB,
  /** Largest managed disk Azure sells, and so the largest we accept (64 TiB is far below 2^53). */
  diskBytesMax: 64 * 1024 * GIB,
  /** A page of a managed disk as Azure counts it. */
  pageBytes: 512,
  /** The fixed-VHD footer that Azure appends to the exported blob. */
  vhdFooterBytes: 512,
  /** Largest ranged read; neighbouring changed ranges are joined up to this. */
  readBytesMax: 8 * MIB,
  /** Azure gives a checksum of a ranged read up to this only (Azure REST: Get Blob); longer reads are made of several. */
  checkedReadBytesMax: 4 * MIB,
  /** Changed ranges closer than this are read as one. */
  readGapBytes: 128 * KIB,
  /** Put Page takes at most this (Azure REST: Put Page). */
  putPageBytesMax: 4 * MIB,
  /** Blocks sampled per window and run among those the page ranges call unchanged. */
  auditBlocksPerWindow: 16,
  /** In this time each allocated block that page ranges never list is read again all the same. */
  auditCycleMs: 30 * 24 * 3600 * 1000,
  /** Blocks that a verification of a new restore point decrypts and re-hashes. */
  verifySampleBlocks: 256,
  /** A queue message of Azure Storage holds 64 KiB of base64. */
  queueMessageBytesMax: 48 * KIB,
  /** Disks of one VM: Azure's largest sizes take 64 data disks and one OS disk. */
  disksPerVmMax: 65,
  /** VMs one policy run may start; more are refused by name rather than half started. */
  vmsPerPolicyRunMax: 10_000,
  requestBodyBytesMax: MIB,
  pageSizeMax: 200,
  /** SAS life: long enough for a window with retries, far below Azure's 60 days. Renewed while work goes on. */
  accessSecondsDefault: 3600,
  /** AWS refuses less than 900. */
  sessionSeconds: 3600,
} as const;
