/** A repository with a collector beside it: everything in memory, time in the hand of the test. */

import type { VersionStore } from '../../shared/blockstore/object-store';
import type { Repository } from '../../shared/blockstore/repository';
import { type CollectorContext, type CollectorSettings, collectorDefaults } from '../../shared/collector/context';
import { type CycleReport, runCycle } from '../../shared/collector/run-cycle';
import { type BackupBench, backupBench } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { memoryVersions } from '../helpers/memory-object-store';

export const DAY_MS = 24 * 3_600_000;

export interface CollectorBench extends BackupBench {
  context(settings?: Partial<CollectorSettings>, versions?: VersionStore): Promise<CollectorContext>;
  /** One whole cycle that asks nobody. */
  collect(settings?: Partial<CollectorSettings>): Promise<CycleReport>;
  /** Days pass. */
  pass(days: number): void;
  packs(): string[];
  /** A disk of some packs' worth of noise, as a snapshot. */
  snapshot(name: string, ...seeds: number[]): { lun: 0; snapshotId: string };
  diskOf(...seeds: number[]): FakeDisk;
}

export function collectorBench(bench = backupBench()): CollectorBench {
  bench.stores.data.now = () => bench.clock.now();
  const context = async (
    settings: Partial<CollectorSettings> = {},
    versions: VersionStore = memoryVersions(bench.stores.data),
  ): Promise<CollectorContext> => {
    const repository: Repository = await bench.repository();
    return { repository, versions, settings: { ...collectorDefaults, shareMax: 1, ...settings } };
  };
  const diskOf = (...seeds: number[]): FakeDisk => {
    const disk = new FakeDisk(2 * 1024 * 1024);
    for (const [index, seed] of seeds.entries()) disk.write(index * 256 * 1024, noise(seed, 130_000));
    return disk;
  };
  return {
    ...bench,
    context,
    collect: async (settings) => runCycle(await context(settings)),
    pass: (days) => bench.clock.advance(days * DAY_MS),
    packs: () => [...bench.stores.data.objects.keys()].filter((key) => key.includes('/u/')).sort(),
    snapshot: (name, ...seeds) => ({ lun: 0, snapshotId: bench.access.snapshot(name, diskOf(...seeds)) }),
    diskOf,
  };
}
