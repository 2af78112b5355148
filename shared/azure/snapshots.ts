/** Snapshot calls of `Compute`, on customers' disks, in our own resource group. */
import type { Snapshot } from '@azure/arm-compute';
import { AppError, isAppError } from '../model/errors';
import { type DiskInfo, unsupportedSkus } from '../model/machine';
import type { SnapshotState } from '../workflows/ports';
import type { Arm } from './arm';
import { sizeOf } from './machines';

export interface SnapshotSettings {
  /** Name of the tag that every resource of ours carries; its value is the job's id. */
  readonly jobTag: string;
  /** Set on each snapshot explicitly: what it would inherit from the disk is not documented. */
  readonly networkAccessPolicy: 'AllowAll' | 'AllowPrivate';
  /** Disk-access resource, with AllowPrivate. */
  readonly diskAccessId?: string;
}

const TYPE = 'snapshots';

/**
 * ARM's PUT is an upsert which on an existing name succeeds *without taking a new snapshot* (azure-cli#28879). So the name is
 * looked up first: ours from an earlier try is left as it is, anybody else's is `snapshot.stale`.
 */
export async function startSnapshot(
  arm: Arm,
  settings: SnapshotSettings,
  request: {
    readonly snapshotId: string;
    readonly disk: DiskInfo;
    readonly region: string;
    readonly tags: Readonly<Record<string, string>>;
  },
): Promise<void> {
  if (Object.values(unsupportedSkus).some((sku) => sku === request.disk.sku)) {
    throw new AppError(
      'disk.unsupported',
      `disk ${request.disk.name} is ${request.disk.sku}: Azure takes no snapshot of it`,
    );
  }
  const existing = await findSnapshot(arm, request.snapshotId);
  if (existing) {
    const ours = existing.tags?.[settings.jobTag] === request.tags[settings.jobTag];
    const sameDisk = existing.creationData?.sourceResourceId?.toLowerCase() === request.disk.diskId.toLowerCase();
    if (ours && sameDisk) return;
    throw new AppError('snapshot.stale', `a snapshot named ${existing.name} exists already and is not this job's`);
  }
  const what = 'starting snapshot';
  const meaning = { notFound: 'disk.not-found', conflictRetryable: true } as const;
  await arm.onResource({ what, id: request.snapshotId, type: TYPE, meaning }, async (client, id, parameters) => {
    const poller = client.snapshots.createOrUpdate(
      id.resourceGroup,
      id.name,
      {
        location: request.region,
        incremental: true,
        creationData: { createOption: 'Copy', sourceResourceId: request.disk.diskId },
        networkAccessPolicy: settings.networkAccessPolicy,
        ...(settings.diskAccessId ? { diskAccessId: settings.diskAccessId } : {}),
        tags: { ...request.tags },
      },
      parameters,
    );
    await poller.submitted(); // the state is polled by the orchestration, with durable timers
  });
}

export async function getSnapshotState(arm: Arm, snapshotId: string): Promise<SnapshotState> {
  const snapshot = await findSnapshot(arm, snapshotId);
  return snapshot ? stateOf(snapshot) : { ...GONE, id: snapshotId };
}

export async function listSnapshotStates(
  arm: Arm,
  settings: SnapshotSettings,
  subscription: string,
  resourceGroup: string,
): Promise<SnapshotState[]> {
  const what = `listing snapshots in ${resourceGroup}`;
  return arm.call({ what, subscription }, async (client, { abortSignal }) => {
    const states: SnapshotState[] = [];
    for await (const snapshot of client.snapshots.listByResourceGroup(resourceGroup, { abortSignal })) {
      if (snapshot.tags?.[settings.jobTag] !== undefined) states.push(stateOf(snapshot));
    }
    return states;
  });
}

export async function revokeSnapshotAccess(arm: Arm, snapshotId: string): Promise<void> {
  const meaning = { notFound: 'snapshot.not-found', conflictRetryable: true } as const;
  await unlessGone('snapshot.not-found', () =>
    arm.onResource(
      { what: 'revoking access of snapshot', id: snapshotId, type: TYPE, meaning },
      (client, id, parameters) =>
        client.snapshots.revokeAccess(id.resourceGroup, id.name, parameters).pollUntilDone(parameters),
    ),
  );
}

/** Revokes first: deleting under an active SAS stalls or fails. */
export async function deleteSnapshot(arm: Arm, snapshotId: string): Promise<void> {
  await revokeSnapshotAccess(arm, snapshotId);
  const meaning = { notFound: 'snapshot.not-found', conflictRetryable: true } as const;
  await unlessGone('snapshot.not-found', () =>
    arm.onResource({ what: 'deleting snapshot', id: snapshotId, type: TYPE, meaning }, (client, id, parameters) =>
      client.snapshots.delete(id.resourceGroup, id.name, parameters).pollUntilDone(parameters),
    ),
  );
}

async function findSnapshot(arm: Arm, snapshotId: string): Promise<Snapshot | undefined> {
  const meaning = { notFound: 'snapshot.not-found' } as const;
  return unlessGone('snapshot.not-found', () =>
    arm.onResource({ what: 'reading snapshot', id: snapshotId, type: TYPE, meaning }, (client, id, { abortSignal }) =>
      client.snapshots.get(id.resourceGroup, id.name, { abortSignal }),
    ),
  );
}

/** Runs; undefined instead of the one error that says there is no such resource. */
export async function unlessGone<Result>(
  code: 'snapshot.not-found' | 'disk.not-found' | 'vm.not-found',
  run: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isAppError(error, code)) return undefined;
    throw error;
  }
}

export function stateOf(snapshot: Snapshot): SnapshotState {
  const percent = snapshot.completionPercent ?? 100;
  return {
    id: snapshot.id ?? '',
    state: verdictOf(snapshot, percent),
    completionPercent: percent,
    takenAt: snapshot.timeCreated?.toISOString() ?? '',
    familyId: snapshot.incrementalSnapshotFamilyId,
    sourceUniqueId: snapshot.creationData?.sourceUniqueId,
    sourceDiskId: snapshot.creationData?.sourceResourceId,
    sizeBytes: sizeOf(snapshot) ?? 0,
    logicalSectorBytes: snapshot.creationData?.logicalSectorSize ?? 512,
    tags: snapshot.tags ?? {},
  };
}

/**
 * Not usable before the background copy of Premium SSD v2 and Ultra is complete, nor in `InstantAccess`, where a disk can be
 * made of it but nothing downloaded.
 */
function verdictOf(snapshot: Snapshot, percent: number): SnapshotState['state'] {
  const provisioning = snapshot.provisioningState ?? 'Succeeded';
  if (/^(failed|canceled)$/i.test(provisioning) || snapshot.copyCompletionError?.errorCode) return 'failed';
  if (!/^succeeded$/i.test(provisioning) || percent < 100) return 'pending';
  const access = snapshot.snapshotAccessState;
  const readable = access === undefined || ['Unknown', 'Available', 'AvailableWithInstantAccess'].includes(access);
  return readable ? 'usable' : 'pending';
}

const GONE: SnapshotState = {
  id: '',
  state: 'gone',
  completionPercent: 0,
  takenAt: '',
  familyId: undefined,
  sourceUniqueId: undefined,
  sourceDiskId: undefined,
  sizeBytes: 0,
  logicalSectorBytes: 512,
  tags: {},
};
