/**
 * Microsoft.Compute/snapshots. As in Azure a PUT on a present name succeeds and takes no new snapshot, and an
 * incremental snapshot belongs to the family of its disk.
 */
import { ArmError, invalidParameter, notAllowed, notEmulated, resourceNotFound } from './arm-error';
import { keyOf, resourceId } from './arm-path';
import { asObject, asText, at, type Json } from './json';
import { pick, requireLocation } from './request-body';
import type { Resource } from './resource-store';
import { type ArmHandler, type ArmWorld, gib, isoTime, newState, provisioningState, requireResource } from './world';

const INCREMENTAL_PER_DISK_MAX = 500;
const INCREMENTAL_PER_WINDOW_MAX = 7;
const WINDOW_MS = 5 * 60_000;
/** Snapshots of one v2 or Ultra disk that are still being copied. */
const COPYING_PER_DISK_MAX = 3;
const NAME = /^[A-Za-z0-9_-]{1,80}$/;

export const SNAPSHOT_SCHEMA = `
  CREATE TABLE IF NOT EXISTS snapshot_creations (family TEXT NOT NULL, at INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS snapshot_creations_by_family ON snapshot_creations (family, at);
`;

export function snapshotView(world: ArmWorld, snapshot: Resource): Json {
  const { sizeBytes } = world.volumes.get(snapshot.state.volumeId ?? '');
  const percent = completionPercent(world, snapshot);
  return {
    ...snapshot.body,
    properties: {
      ...asObject(snapshot.body['properties']),
      diskSizeBytes: sizeBytes,
      diskSizeGB: gib(sizeBytes),
      completionPercent: percent,
      snapshotAccessState: percent < 100 ? 'Pending' : 'Available',
      diskState: world.accesses.active(snapshot.key) === undefined ? 'Unattached' : 'ActiveSAS',
      provisioningState: provisioningState(world, snapshot.state),
    },
  };
}

/** 0 to 100 over the time of the background copy; 100 at once for what needs none. */
export function completionPercent(world: ArmWorld, resource: Resource): number {
  const { createdAt, copiedAt } = resource.state;
  if (copiedAt === undefined || world.now() >= copiedAt) return 100;
  return Math.max(0, Math.floor((99 * (world.now() - createdAt)) / (copiedAt - createdAt)));
}

export const getSnapshot: ArmHandler = (world, { path }) => ({
  status: 200,
  body: snapshotView(world, requireResource(world, path)),
});

export const putSnapshot: ArmHandler = (world, call) => {
  const id = resourceId(call.path);
  const creation = asObject(at(call.body, 'properties', 'creationData'));
  const sourceId = asText(creation['sourceResourceId']) ?? '';
  const present = world.resources.get(id);
  if (present !== undefined) return upsert(world, present, call.body, sourceId);
  if (!NAME.test(call.path.names[0] ?? '')) throw invalidParameter('The snapshot name is invalid.');
  if (creation['createOption'] !== 'Copy')
    throw notEmulated(`snapshot createOption '${String(creation['createOption'])}'`);
  const location = requireLocation(call.body);
  const disk = requireSource(world, sourceId, call.path.subscription, location);
  const incremental = at(call.body, 'properties', 'incremental') === true;
  const copies = needsCopy(disk);
  if (copies && !incremental) {
    throw new ArmError(
      400,
      'BadRequest',
      'Only incremental snapshots are supported for Premium SSD v2 and Ultra disks.',
    );
  }
  if (incremental) checkQuotas(world, disk);
  const state = newState(world);
  const properties = asObject(disk.body['properties']);
  const snapshot = world.resources.put(
    'snapshots',
    {
      id,
      name: call.path.names[0],
      type: 'Microsoft.Compute/snapshots',
      location,
      ...pick(call.body, ['tags']),
      sku: { name: asText(at(call.body, 'sku', 'name')) ?? 'Standard_LRS', tier: 'Standard' },
      properties: {
        networkAccessPolicy: 'AllowAll',
        publicNetworkAccess: 'Enabled',
        ...pick(properties, ['osType', 'hyperVGeneration', 'supportedCapabilities', 'securityProfile']),
        ...pick(asObject(call.body['properties']), SNAPSHOT_PROPERTIES),
        encryption: { type: 'EncryptionAtRestWithPlatformKey' },
        creationData: { createOption: 'Copy', sourceResourceId: disk.id, sourceUniqueId: properties['uniqueId'] },
        incremental,
        ...(incremental ? { incrementalSnapshotFamilyId: disk.state.familyId } : {}),
        timeCreated: isoTime(state.createdAt),
        uniqueId: world.random.uuid(),
      },
    },
    {
      ...state,
      volumeId: world.volumes.freeze(disk.state.volumeId ?? '').id,
      ...(incremental && disk.state.familyId !== undefined ? { familyId: disk.state.familyId } : {}),
      ...(copies ? { copiedAt: state.createdAt + world.behaviour.snapshotCopyMs } : {}),
    },
  );
  const body = snapshotView(world, snapshot);
  return { status: 202, body, operation: { result: body } };
};

export const patchSnapshot: ArmHandler = (world, call) => {
  const snapshot = requireResource(world, call.path);
  return upsert(world, snapshot, call.body, '');
};

export const deleteSnapshot: ArmHandler = (world, { path }) => {
  const snapshot = world.resources.get(resourceId(path));
  if (snapshot === undefined) return { status: 204 };
  if (world.accesses.active(snapshot.key) !== undefined) {
    throw notAllowed(
      `There is an active shared access signature outstanding for snapshot ${snapshot.name}. Call EndGetAccess first.`,
    );
  }
  world.accesses.revoke(snapshot.key);
  world.resources.delete(snapshot.id);
  world.volumes.delete(snapshot.state.volumeId ?? '');
  return { status: 202, operation: { result: undefined } };
};

/** Premium SSD v2 and Ultra copy a snapshot in the background. */
export function needsCopy(disk: Resource): boolean {
  return /^(PremiumV2|UltraSSD)_/.test(asText(at(disk.body, 'sku', 'name')) ?? '');
}

const SNAPSHOT_PROPERTIES = ['networkAccessPolicy', 'publicNetworkAccess', 'diskAccessId', 'dataAccessAuthMode'];

function upsert(world: ArmWorld, snapshot: Resource, body: Json, sourceId: string) {
  const presentSource = asText(at(snapshot.body, 'properties', 'creationData', 'sourceResourceId')) ?? '';
  if (sourceId !== '' && keyOf(sourceId) !== keyOf(presentSource)) {
    throw new ArmError(400, 'BadRequest', "Changing property 'sourceUri' is not allowed for existing disk.");
  }
  const updated = world.resources.put(
    'snapshots',
    {
      ...snapshot.body,
      ...pick(body, ['tags']),
      properties: {
        ...asObject(snapshot.body['properties']),
        ...pick(asObject(body['properties']), SNAPSHOT_PROPERTIES),
      },
    },
    { ...snapshot.state, readyAt: world.now() + world.behaviour.lroMs },
  );
  const view = snapshotView(world, updated);
  return { status: 202, body: view, operation: { result: view } };
}

function requireSource(world: ArmWorld, sourceId: string, subscription: string, location: string): Resource {
  const disk = world.resources.get(sourceId);
  if (disk?.state.volumeId === undefined || !/\/disks\/[^/]+$/i.test(sourceId)) throw resourceNotFound(sourceId);
  if (disk.id.split('/')[2]?.toLowerCase() !== subscription.toLowerCase()) {
    throw invalidParameter('The snapshot must be in the subscription of its source disk.');
  }
  if (disk.location !== location)
    throw invalidParameter(`The source disk is in ${disk.location}, the snapshot in ${location}.`);
  if (disk.state.upload !== undefined) throw notAllowed(`Disk ${disk.name} is still being uploaded.`);
  return disk;
}

function checkQuotas(world: ArmWorld, disk: Resource): void {
  const family = disk.state.familyId ?? '';
  const siblings = world.resources.list('snapshots').filter((snapshot) => snapshot.state.familyId === family);
  if (siblings.length >= INCREMENTAL_PER_DISK_MAX) {
    throw notAllowed(
      `Disk ${disk.name} has ${INCREMENTAL_PER_DISK_MAX} incremental snapshots, the most that are allowed.`,
    );
  }
  if (siblings.filter((snapshot) => completionPercent(world, snapshot) < 100).length >= COPYING_PER_DISK_MAX) {
    throw notAllowed(`Disk ${disk.name} has ${COPYING_PER_DISK_MAX} snapshots that are still being copied.`);
  }
  const now = world.now();
  world.database.run('DELETE FROM snapshot_creations WHERE at <= ?', now - WINDOW_MS);
  const recent = world.database.all('SELECT at FROM snapshot_creations WHERE family = ? ORDER BY at', family);
  if (recent.length >= INCREMENTAL_PER_WINDOW_MAX) {
    const freeAt = Number(recent[0]?.['at']) + WINDOW_MS;
    throw new ArmError(
      429,
      'TooManyRequests',
      `Disk ${disk.name}: at most ${INCREMENTAL_PER_WINDOW_MAX} incremental snapshots in 5 minutes.`,
      { 'retry-after': String(Math.max(1, Math.ceil((freeAt - now) / 1000))) },
    );
  }
  world.database.run('INSERT INTO snapshot_creations VALUES (?, ?)', family, now);
}
