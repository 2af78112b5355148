/** What killed proxies left behind, and whether the collector takes all of it and nothing else. */

import { sampleTenant } from '../../local/stack/settings';
import { createCollectorCommands } from '../../shared/app/collector-commands';
import { silentLogger } from '../../shared/base/logger';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import type { World } from './world';

/** Blocks of each point that are read again after the collector. */
const SAMPLE_BLOCKS = 64;

export interface Orphans {
  /** Units that no restore point refers to: before the first cycle, and after the second. */
  readonly unitsBefore: number;
  readonly unitsAfter: number;
  /** Snapshots beyond the one that each VM keeps. */
  readonly snapshots: number;
}

/** Nothing else is at work, so that no unit is too young and no share too large. */
const atOnce = { youngMs: -24 * 3_600_000, undoMs: 0, shareMax: 1 };

export async function collectOrphans(world: World, vms: number): Promise<Orphans> {
  const { settings } = world;
  const collector = await createCollectorCommands(settings, silentLogger);
  try {
    const orphans = async (): Promise<number> => {
      const { condemn } = await collector.runCycle({ dryRun: true, settings: atOnce });
      if (!condemn) throw new Error('the collector did not look');
      return condemn.condemned.units + condemn.young.units + condemn.locked.units + condemn.strange;
    };
    const unitsBefore = await orphans();
    for (let cycle = 0; cycle < 2; cycle++) await collector.runCycle({ dryRun: false, settings: atOnce });
    const unitsAfter = await orphans();
    const { compute } = world.deps;
    const snapshots = await compute.listSnapshots(sampleTenant.subscription, settings.BLOCKFERRY_SNAPSHOT_GROUP);
    return { unitsBefore, unitsAfter, snapshots: snapshots.length - vms };
  } finally {
    await collector.close();
  }
}

/** What is wrong with the points of a VM, by a sample of each. */
export async function sampleVm(world: World, vmKey: string, seed: string): Promise<string[]> {
  const problems: string[] = [];
  const { repository, points } = await world.visible(vmKey);
  for (const { id } of points) {
    const request = { vmKey, pointId: id, sampleBlocks: SAMPLE_BLOCKS, seed };
    await verifyRestorePoint(repository, request, AbortSignal.timeout(600_000)).catch((error: unknown) =>
      problems.push(`point ${id} after the collector: ${String(error)}`),
    );
  }
  return problems;
}
