/** What must not be there when all jobs have ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../stack/stack';
import type { CloudClient } from './cloud-client';

export interface Leftovers {
  /** All of ours in Azure: one a protected disk is right, the base of the next incremental. */
  readonly snapshots: number;
  /** Older ones of a disk that has a newer one. */
  readonly supersededSnapshots: number;
  readonly activeAccesses: number;
  readonly dataProxies: number;
  /** Disks that still wait for bytes. */
  readonly unfinishedDisks: number;
  readonly openUploads: number;
}

/** Data proxies go when their region has had no work for a while: looks until nothing is left over, or the time is up. */
export async function findLeftovers(stack: Stack, cloud: CloudClient, waitMs: number): Promise<Leftovers> {
  for (const endsAt = Date.now() + waitMs; ; await sleep(250)) {
    const found = await look(stack, cloud);
    if (countOrphans(found) === 0 || Date.now() > endsAt) return found;
  }
}

export const countOrphans = (found: Leftovers): number =>
  found.supersededSnapshots + found.activeAccesses + found.dataProxies + found.unfinishedDisks + found.openUploads;

async function look(stack: Stack, cloud: CloudClient): Promise<Leftovers> {
  const snapshots = await cloud.snapshots();
  const sources = snapshots.map((snapshot) => snapshot.properties.creationData.sourceResourceId?.toLowerCase());
  const disks = await cloud.disks();
  const waiting = disks.filter(({ properties }) => /upload/i.test(properties.diskState ?? ''));
  return {
    snapshots: snapshots.length,
    supersededSnapshots: snapshots.length - new Set(sources).size,
    activeAccesses: await cloud.activeAccesses(),
    dataProxies: stack.dataProxies().length,
    unfinishedDisks: waiting.length,
    openUploads: await cloud.openUploads(),
  };
}
