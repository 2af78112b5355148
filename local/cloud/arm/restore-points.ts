/** Restore point collections, and crash-consistent restore points: all disks of a VM at one instant. */
import { ArmError, invalidParameter, notAllowed, notEmulated, resourceNotFound } from './arm-error';
import { keyOf, resourceId } from './arm-path';
import { asList, asObject, asText, at, type Json } from './json';
import { pick, requireLocation } from './request-body';
import type { Resource } from './resource-store';
import { needsCopy } from './snapshots';
import { type ArmHandler, type ArmWorld, isoTime, newState, provisioningState, requireResource } from './world';

const POINTS_PER_VM_MAX = 500;
const POINTS_PER_HOUR_MAX = 3;
const HOUR_MS = 3_600_000;

export function collectionView(world: ArmWorld, collection: Resource, withPoints: boolean): Json {
  const points = withPoints
    ? world.resources.list('restorepointcollections/restorepoints', { parent: collection.id })
    : [];
  return {
    ...collection.body,
    properties: {
      ...asObject(collection.body['properties']),
      ...(withPoints ? { restorePoints: points.map((point) => pointView(world, point)) } : {}),
      provisioningState: 'Succeeded',
    },
  };
}

export const getCollection: ArmHandler = (world, { path, query }) => ({
  status: 200,
  body: collectionView(world, requireResource(world, path), query.get('$expand')?.toLowerCase() === 'restorepoints'),
});

export const putCollection: ArmHandler = (world, call) => {
  const id = resourceId(call.path);
  const present = world.resources.get(id);
  const vmId = asText(at(call.body, 'properties', 'source', 'id')) ?? '';
  const vm = world.resources.get(vmId);
  if (vm === undefined) throw resourceNotFound(vmId);
  const location = requireLocation(call.body);
  if (location !== vm.location) throw invalidParameter(`The VM is in ${vm.location}, the collection in ${location}.`);
  const collection = world.resources.put(
    'restorepointcollections',
    {
      id,
      name: call.path.names[0],
      type: 'Microsoft.Compute/restorePointCollections',
      location,
      ...pick(call.body, ['tags']),
      properties: {
        source: { id: vm.id, location: vm.location },
        restorePointCollectionId: at(present?.body, 'properties', 'restorePointCollectionId') ?? world.random.uuid(),
      },
    },
    present?.state ?? newState(world),
  );
  return { status: present === undefined ? 201 : 200, body: collectionView(world, collection, false) };
};

export const deleteCollection: ArmHandler = (world, { path }) => {
  const collection = world.resources.get(resourceId(path));
  if (collection === undefined) return { status: 204 };
  for (const point of world.resources.list('restorepointcollections/restorepoints', { parent: collection.id })) {
    removePoint(world, point);
  }
  world.resources.delete(collection.id);
  return { status: 202, operation: { result: undefined } };
};

export const getPoint: ArmHandler = (world, { path }) => ({
  status: 200,
  body: pointView(world, requireResource(world, path)),
});

export const putPoint: ArmHandler = (world, call) => {
  const id = resourceId(call.path);
  if (world.resources.get(id) !== undefined) throw new ArmError(409, 'Conflict', 'The restore point exists.');
  const collectionId = id.slice(0, id.toLowerCase().lastIndexOf('/restorepoints/'));
  const collection = world.resources.get(collectionId);
  const vm = world.resources.get(asText(at(collection?.body, 'properties', 'source', 'id')) ?? '');
  if (collection === undefined || vm === undefined) throw resourceNotFound(collectionId);
  const mode = asText(at(call.body, 'properties', 'consistencyMode')) ?? 'ApplicationConsistent';
  if (mode !== 'CrashConsistent') throw notEmulated(`consistencyMode '${mode}'`);
  checkRate(world, vm);
  const excluded = new Set(
    asList(at(call.body, 'properties', 'excludeDisks')).map((disk) => keyOf(asText(at(disk, 'id')) ?? '')),
  );
  const state = newState(world);
  const properties = asObject(vm.body['properties']);
  const storage = asObject(properties['storageProfile']);
  const include = (attached: unknown): Json | undefined => {
    const disk = world.resources.get(asText(at(attached, 'managedDisk', 'id')) ?? '');
    if (disk === undefined || excluded.has(disk.key)) return undefined;
    return { ...asObject(attached), diskRestorePoint: { id: freezeDisk(world, id, disk) } };
  };
  const osDisk = include(storage['osDisk']);
  const point = world.resources.put(
    'restorepointcollections/restorepoints',
    {
      id,
      name: call.path.names[1],
      type: 'Microsoft.Compute/restorePointCollections/restorePoints',
      location: vm.location,
      properties: {
        consistencyMode: mode,
        timeCreated: isoTime(state.createdAt),
        excludeDisks: asList(at(call.body, 'properties', 'excludeDisks')),
        sourceMetadata: {
          ...pick(properties, ['hardwareProfile', 'securityProfile', 'licenseType', 'vmId', 'userData']),
          location: vm.location,
          storageProfile: {
            ...(osDisk === undefined ? {} : { osDisk }),
            dataDisks: asList(storage['dataDisks'])
              .map(include)
              .filter((disk) => disk !== undefined),
          },
        },
      },
    },
    state,
  );
  const body = pointView(world, point);
  return { status: 201, body, operation: { result: body } };
};

export const deletePoint: ArmHandler = (world, { path }) => {
  const point = world.resources.get(resourceId(path));
  if (point === undefined) return { status: 204 };
  removePoint(world, point);
  return { status: 202, operation: { result: undefined } };
};

export const getDiskPoint: ArmHandler = (world, { path }) => ({ status: 200, body: requireResource(world, path).body });

function pointView(world: ArmWorld, point: Resource): Json {
  return {
    ...point.body,
    properties: { ...asObject(point.body['properties']), provisioningState: provisioningState(world, point.state) },
  };
}

function freezeDisk(world: ArmWorld, pointId: string, disk: Resource): string {
  if (needsCopy(disk)) {
    throw notAllowed(
      `Disk ${disk.name}: crash-consistent restore points do not support Premium SSD v2 and Ultra; exclude it.`,
    );
  }
  const properties = asObject(disk.body['properties']);
  const name = `${disk.name}_${world.random.uuid()}`;
  const id = `${pointId}/diskRestorePoints/${name}`;
  const state = newState(world);
  world.resources.put(
    'restorepointcollections/restorepoints/diskrestorepoints',
    {
      id,
      name,
      type: 'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints',
      location: disk.location,
      properties: {
        ...pick(properties, ['osType', 'hyperVGeneration']),
        timeCreated: isoTime(state.createdAt),
        sourceResourceId: disk.id,
        sourceUniqueId: properties['uniqueId'],
        sourceResourceLocation: disk.location,
        familyId: disk.state.familyId,
        completionPercent: 100,
        networkAccessPolicy: 'AllowAll',
        publicNetworkAccess: 'Enabled',
        logicalSectorSize: 512,
      },
    },
    {
      ...state,
      volumeId: world.volumes.freeze(disk.state.volumeId ?? '').id,
      ...(disk.state.familyId === undefined ? {} : { familyId: disk.state.familyId }),
    },
  );
  return id;
}

function checkRate(world: ArmWorld, vm: Resource): void {
  const points = world.resources
    .list('restorepointcollections')
    .filter((collection) => keyOf(asText(at(collection.body, 'properties', 'source', 'id')) ?? '') === vm.key)
    .flatMap((collection) => world.resources.list('restorepointcollections/restorepoints', { parent: collection.id }));
  if (points.length >= POINTS_PER_VM_MAX) throw notAllowed(`VM ${vm.name} has ${POINTS_PER_VM_MAX} restore points.`);
  const recent = points.map(({ state }) => state.createdAt).filter((at) => at > world.now() - HOUR_MS);
  if (recent.length >= POINTS_PER_HOUR_MAX) {
    const freeAt = Math.min(...recent) + HOUR_MS;
    throw new ArmError(
      429,
      'TooManyRequests',
      `VM ${vm.name}: at most ${POINTS_PER_HOUR_MAX} restore points in an hour.`,
      {
        'retry-after': String(Math.max(1, Math.ceil((freeAt - world.now()) / 1000))),
      },
    );
  }
}

function removePoint(world: ArmWorld, point: Resource): void {
  for (const disk of world.resources.list('restorepointcollections/restorepoints/diskrestorepoints', {
    parent: point.id,
  })) {
    if (world.accesses.active(disk.key) !== undefined) {
      throw notAllowed(
        `There is an active shared access signature outstanding for ${disk.name}. Call EndGetAccess first.`,
      );
    }
    world.accesses.revoke(disk.key);
    world.resources.delete(disk.id);
    world.volumes.delete(disk.state.volumeId ?? '');
  }
  world.resources.delete(point.id);
}
