/**
 * The golden repository as a story: made through the product's own pipeline, with seeded randomness and one window at a
 * time, so that the same code writes the same bytes twice. The checked-in copy is never made again once a version is
 * released: it stands for what lies in customers' buckets.
 */
import { createHash } from 'node:crypto';
import { silentLogger } from '../../shared/base/logger';
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { openRepository, type Repository } from '../../shared/blockstore/repository';
import { abortSession, openSession } from '../../shared/blockstore/session';
import { createTransferHandler } from '../../shared/dataproxy/transfer-handler';
import { registerKey } from '../../shared/format/store-keys';
import { resourceKey } from '../../shared/model/ids';
import { KIB, limits, MIB } from '../../shared/model/limits';
import type { Lun } from '../../shared/model/machine';
import { planWindows } from '../../shared/model/transfer';
import { FakeAccess, FakeDisk, noise } from '../helpers/fake-disk';
import { type MemoryStores, memoryStores } from '../helpers/memory-object-store';
import { sampleMachine, vmIdOf } from '../helpers/samples';
import type { SparseBytes } from '../helpers/sparse-bytes';
import { stillClock } from './still-clock';

export const goldenRootKey = createHash('sha256').update('blockferry golden root key').digest();

export interface GoldenDisk {
  readonly tenant: string;
  readonly vm: string;
  readonly vmKey: string;
  readonly pointId: string;
  readonly lun: Lun;
  readonly content: SparseBytes;
}

export interface GoldenWorld {
  readonly stores: MemoryStores;
  /** What a restore must give. */
  readonly disks: readonly GoldenDisk[];
  /** Older states of objects that have changed since, by key. */
  readonly replays: ReadonlyMap<string, Buffer>;
}

interface Backup {
  readonly tenant: string;
  readonly vm: string;
  readonly jobId: string;
  readonly disks: readonly { readonly lun: Lun; readonly disk: FakeDisk; readonly base?: string }[];
  readonly spanBytes?: number;
  /** Stops behind the transfers: packs and facts of a session that came to nothing. */
  readonly aborted?: boolean;
}

export async function makeGoldenWorld(): Promise<GoldenWorld> {
  const stores = memoryStores();
  const access = new FakeAccess();
  const clock = stillClock('2026-11-22T01:00:00.000Z');
  const disks: GoldenDisk[] = [];
  const replays = new Map<string, Buffer>();
  const signal = new AbortController().signal;
  let counter = 0;
  let packGeneration = 1;
  const open = (tenant: string): Promise<Repository> =>
    openRepository({
      stores,
      tenant,
      // Copied: whoever derives keys may wipe what it was given.
      keys: { rootKey: async () => Buffer.from(goldenRootKey), packGeneration: async () => packGeneration },
      clock,
      logger: silentLogger,
      random: (count) => createHash('shake256', { outputLength: count }).update(`golden ${counter++}`).digest(),
    });

  const backup = async ({ tenant, vm, jobId, disks: sources, spanBytes = limits.leafBytes, aborted }: Backup) => {
    const repository = await open(tenant);
    const vmKey = resourceKey(vmIdOf(vm));
    const handle = createTransferHandler({
      access,
      openRepository: async () => repository,
      events: { report: async () => undefined },
      clock,
      logger: silentLogger,
      imageDirectory: undefined,
      concurrency: 1,
      pool: inlinePool,
    });
    await openSession(repository, { sessionId: jobId, vmKey, kind: 'BACKUP' });
    const register = registerKey(tenant, jobId);
    replays.set(register, Buffer.from(stores.control.objects.get(register)?.body ?? Buffer.alloc(0)));
    for (const { lun, disk, base } of sources) {
      const snapshotId = access.snapshot(`${jobId}-${lun}`, disk);
      for (const window of planWindows(disk.bytes.length, spanBytes)) {
        const job = { tenant, jobId, vmKey, lun, window, snapshotId, diskBytes: disk.bytes.length };
        const parent = base === undefined ? {} : { base: { snapshotId: `${base}-${lun}`, pointId: `p-${base}` } };
        await handle({ kind: 'backup', version: 1, region: 'westeurope', ...job, ...parent }, signal);
      }
    }
    if (aborted) return await abortSession(repository, jobId);
    clock.advance(3_600_000);
    return await publishRestorePoint(repository, {
      id: `p-${jobId}`,
      jobId,
      vmKey,
      createdAt: new Date(clock.now()).toISOString(),
      policy: 'nightly',
      consistency: 'crash-per-disk',
      skewMs: 1_200,
      machine: sampleMachine(vm),
      excludedLuns: [],
      disks: sources.map(({ lun, disk, base }) => {
        disks.push({ tenant, vm, vmKey, pointId: `p-${jobId}`, lun, content: disk.bytes.copy() });
        return {
          lun,
          sizeBytes: disk.bytes.length,
          mode: base === undefined ? ('full' as const) : ('incremental' as const),
          ...(base === undefined ? {} : { basePointId: `p-${base}` }),
          snapshotTakenAt: new Date(clock.now() - 60_000).toISOString(),
          windows: planWindows(disk.bytes.length, spanBytes),
        };
      }),
    });
  };

  // Noise is stored raw, text compressed; the end is no whole block; one text crosses the border of two leaves.
  const os = new FakeDisk(66 * MIB + 1_536)
    .write(0, noise(1, 300_000))
    .write(8 * MIB, noise(2, 3 * MIB, true))
    .write(64 * MIB - 200 * KIB, noise(3, 400 * KIB, true))
    .write(66 * MIB - 10 * KIB, noise(4, 11 * KIB + 512));
  const data = new FakeDisk(MIB + 512).write(128 * KIB, noise(1, 300_000)).write(MIB, noise(5, 512));
  const web = { tenant: 'acme', vm: 'web' } as const;
  await backup({
    ...web,
    jobId: 'web-1',
    disks: [
      { lun: 'os', disk: os },
      { lun: 0, disk: data },
    ],
  });

  // Changed, cleared and moved in the first leaf; the second leaf and the whole data disk are shared.
  os.write(64 * KIB, noise(6, 64 * KIB))
    .write(9 * MIB, Buffer.alloc(MIB))
    .write(32 * MIB, noise(2, 256 * KIB, true));
  await backup({
    ...web,
    jobId: 'web-2',
    disks: [
      { lun: 'os', disk: os, base: 'web-1' },
      { lun: 0, disk: data, base: 'web-1' },
    ],
  });

  // A session that came to nothing, and leaves a pack that no point names.
  await backup({
    ...web,
    jobId: 'web-3',
    aborted: true,
    disks: [{ lun: 0, disk: new FakeDisk(MIB).write(0, noise(7, 70_000)) }],
  });

  // Grown, over the border of a leaf; three leaves in one window.
  os.resize(130 * MIB).write(129 * MIB, noise(8, 100_000));
  await backup({
    ...web,
    jobId: 'web-4',
    spanBytes: 192 * MIB,
    disks: [
      { lun: 'os', disk: os, base: 'web-2' },
      { lun: 0, disk: data, base: 'web-2' },
    ],
  });

  // The key that wraps the packs' keys was rotated: old packs stay as they are, new ones name generation 2.
  packGeneration = 2;

  // Another VM that has blocks of the first one, and a disk without a single byte.
  const database = new FakeDisk(2 * MIB).write(MIB, noise(1, 300_000)).write(0, noise(9, 5_000));
  await backup({
    tenant: 'acme',
    vm: 'database',
    jobId: 'database-1',
    disks: [
      { lun: 'os', disk: database },
      { lun: 7, disk: new FakeDisk(65 * MIB) },
    ],
  });

  // Another tenant under the same root key: other ids, other keys, other packs.
  const other = new FakeDisk(512 * KIB).write(0, noise(1, 130_000));
  await backup({ tenant: 'fabrikam', vm: 'web', jobId: 'web-1', disks: [{ lun: 'os', disk: other }] });
  return { stores, disks, replays };
}
