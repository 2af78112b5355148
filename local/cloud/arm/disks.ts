/** Microsoft.Compute/disks: create (Empty, Copy, Restore, Upload), grow, delete, and the state ARM shows. */
import { FOOTER_BYTES } from '../disks/vhd-footer';
import type { Volume } from '../disks/volume-store';
import { ArmError, invalidParameter, notAllowed, notEmulated, resourceNotFound } from './arm-error';
import { resourceId } from './arm-path';
import { asNumber, asObject, asText, at, type Json } from './json';
import { pick, requireLocation, skuOf } from './request-body';
import type { Resource } from './resource-store';
import { completionPercent } from './snapshots';
import { type ArmHandler, type ArmWorld, gib, isoTime, newState, provisioningState, requireResource } from './world';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** 20 MiB and 32 TiB, each with a footer. */
const UPLOAD_BYTES_MIN = 20_972_032;
const UPLOAD_BYTES_MAX = 35_183_298_347_520;

export function diskView(world: ArmWorld, disk: Resource): Json {
  const { sizeBytes } = world.volumes.get(disk.state.volumeId ?? '');
  return {
    ...disk.body,
    properties: {
      ...asObject(disk.body['properties']),
      diskSizeBytes: sizeBytes,
      diskSizeGB: gib(sizeBytes),
      diskState: diskState(world, disk),
      provisioningState: provisioningState(world, disk.state),
    },
  };
}

export function diskState(world: ArmWorld, disk: Resource): string {
  const vmId = asText(disk.body['managedBy']);
  if (vmId !== undefined) return world.resources.get(vmId)?.state.power === 'deallocated' ? 'Reserved' : 'Attached';
  if (disk.state.upload !== undefined) return disk.state.upload === 'active' ? 'ActiveUpload' : 'ReadyToUpload';
  return world.accesses.active(disk.key) === undefined ? 'Unattached' : 'ActiveSAS';
}

export const getDisk: ArmHandler = (world, { path }) => ({
  status: 200,
  body: diskView(world, requireResource(world, path)),
});

export const putDisk: ArmHandler = (world, call) => {
  const id = resourceId(call.path);
  const present = world.resources.get(id);
  if (present !== undefined) return replyWith(world, updateDisk(world, present, call.body));
  const location = requireLocation(call.body);
  const creation = asObject(at(call.body, 'properties', 'creationData'));
  const made = content(world, creation, call.body, location);
  const disk = world.resources.put(
    'disks',
    {
      id,
      name: call.path.names[0],
      type: 'Microsoft.Compute/disks',
      location,
      ...pick(call.body, ['tags', 'zones']),
      sku: skuOf(call.body, 'Standard_LRS'),
      properties: {
        networkAccessPolicy: 'AllowAll',
        publicNetworkAccess: 'Enabled',
        ...pick(made.inherited, ['osType', 'hyperVGeneration']),
        ...pick(asObject(call.body['properties']), DISK_PROPERTIES),
        encryption: { type: 'EncryptionAtRestWithPlatformKey' },
        creationData: made.creationData,
        timeCreated: isoTime(world.now()),
        uniqueId: world.random.uuid(),
      },
    },
    {
      ...newState(world),
      volumeId: made.volume.id,
      familyId: world.random.uuid(),
      ...(asText(creation['createOption']) === 'Upload' ? { upload: 'ready' as const } : {}),
    },
  );
  return replyWith(world, disk);
};

export const patchDisk: ArmHandler = (world, call) =>
  replyWith(world, updateDisk(world, requireResource(world, call.path), call.body));

export const deleteDisk: ArmHandler = (world, { path }) => {
  const disk = world.resources.get(resourceId(path));
  if (disk === undefined) return { status: 204 };
  removeDisk(world, disk);
  return { status: 202, operation: { result: undefined } };
};

/** Throws the 409 that Azure gives for a disk in use. */
export function removeDisk(world: ArmWorld, disk: Resource): void {
  const vmId = asText(disk.body['managedBy']);
  if (vmId !== undefined) throw notAllowed(`Disk ${disk.name} is attached to VM ${vmId}.`);
  if (world.accesses.active(disk.key) !== undefined) {
    throw notAllowed(
      `There is an active shared access signature outstanding for disk ${disk.name}. Call EndGetAccess first.`,
    );
  }
  world.accesses.revoke(disk.key);
  world.resources.delete(disk.id);
  world.volumes.delete(disk.state.volumeId ?? '');
}

const DISK_PROPERTIES = [
  'osType',
  'hyperVGeneration',
  'networkAccessPolicy',
  'publicNetworkAccess',
  'diskAccessId',
  'dataAccessAuthMode',
  'tier',
  'burstingEnabled',
  'diskIOPSReadWrite',
  'diskMBpsReadWrite',
  'maxShares',
  'securityProfile',
  'supportedCapabilities',
  'purchasePlan',
  'optimizedForFrequentAttach',
];

interface Content {
  readonly volume: Volume;
  readonly creationData: Json;
  /** Properties of the source that the new disk takes over. */
  readonly inherited: Json;
}

function content(world: ArmWorld, creation: Json, body: Json, location: string): Content {
  const sizeBytes = (asNumber(at(body, 'properties', 'diskSizeGB')) ?? 0) * GIB;
  const option = asText(creation['createOption']);
  switch (option) {
    case 'Empty': {
      if (sizeBytes <= 0) throw invalidParameter("Required parameter 'disk.diskSizeGB' is missing.");
      return { volume: world.volumes.create(sizeBytes), creationData: creation, inherited: {} };
    }
    case 'Upload': {
      const uploadBytes = asNumber(creation['uploadSizeBytes']) ?? 0;
      const isWhole = (uploadBytes - FOOTER_BYTES) % MIB === 0;
      if (!isWhole || uploadBytes < UPLOAD_BYTES_MIN || uploadBytes > UPLOAD_BYTES_MAX) {
        throw invalidParameter(
          `The value ${uploadBytes} of 'uploadSizeBytes' is invalid: whole MiB and a 512-byte footer, ${UPLOAD_BYTES_MIN} to ${UPLOAD_BYTES_MAX}.`,
        );
      }
      return {
        volume: world.volumes.create(uploadBytes - FOOTER_BYTES, 'none'),
        creationData: creation,
        inherited: {},
      };
    }
    case 'Copy':
    case 'Restore': {
      const { source, volume } = copySource(world, asText(creation['sourceResourceId']) ?? '', location);
      const inherited = asObject(source.body['properties']);
      if (sizeBytes > 0 && sizeBytes < volume.sizeBytes) throw invalidParameter('The disk is smaller than its source.');
      if (sizeBytes > volume.sizeBytes) world.volumes.grow(volume.id, sizeBytes);
      const sourceUniqueId = inherited['uniqueId'] ?? inherited['sourceUniqueId'];
      return { volume, creationData: { ...creation, sourceUniqueId }, inherited };
    }
    default:
      throw notEmulated(`disk createOption '${option ?? ''}'`);
  }
}

function copySource(
  world: ArmWorld,
  id: string,
  location: string,
): { readonly source: Resource; readonly volume: Volume } {
  const source = world.resources.get(id);
  if (source?.state.volumeId === undefined) throw resourceNotFound(id);
  if (source.location.toLowerCase() !== location.toLowerCase()) {
    throw invalidParameter(`Source resource ${id} is in ${source.location}, the disk in ${location}.`);
  }
  if (completionPercent(world, source) < 100) throw notAllowed(`Snapshot ${source.name} is still being copied.`);
  if (source.state.upload !== undefined) throw notAllowed(`Disk ${source.name} is still being uploaded.`);
  const isDisk = /\/disks\/[^/]+$/i.test(source.id);
  if (!isDisk) return { source, volume: world.volumes.fork(source.state.volumeId) };
  const frozen = world.volumes.freeze(source.state.volumeId);
  const volume = world.volumes.fork(frozen.id);
  world.volumes.delete(frozen.id);
  return { source, volume };
}

function updateDisk(world: ArmWorld, disk: Resource, body: Json): Resource {
  const wanted = asObject(body['properties']);
  const present = asObject(disk.body['properties']);
  const option = at(wanted, 'creationData', 'createOption');
  if (option !== undefined && option !== at(present, 'creationData', 'createOption')) {
    throw new ArmError(
      409,
      'PropertyChangeNotAllowed',
      "Changing property 'creationData.createOption' is not allowed.",
    );
  }
  const sizeBytes = (asNumber(wanted['diskSizeGB']) ?? 0) * GIB;
  const volume = world.volumes.get(disk.state.volumeId ?? '');
  if (sizeBytes > 0 && gib(volume.sizeBytes) * GIB > sizeBytes) {
    throw new ArmError(400, 'BadRequest', 'Disk size reduction is not supported.');
  }
  if (sizeBytes > gib(volume.sizeBytes) * GIB) world.volumes.grow(volume.id, sizeBytes);
  return world.resources.put(
    'disks',
    {
      ...disk.body,
      ...pick(body, ['tags', 'sku']),
      properties: { ...present, ...pick(wanted, DISK_PROPERTIES) },
    },
    { ...disk.state, readyAt: world.now() + world.behaviour.lroMs },
  );
}

function replyWith(world: ArmWorld, disk: Resource) {
  const body = diskView(world, disk);
  return { status: 202, body, operation: { result: body } };
}
