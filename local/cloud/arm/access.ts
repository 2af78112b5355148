/** beginGetAccess and endGetAccess of disks, snapshots and disk restore points. */
import { sasUrl } from '../disks/access-store';
import { footerDefect } from '../disks/vhd-footer';
import { ArmError, invalidParameter, notAllowed, notEmulated } from './arm-error';
import { asNumber, asText, at } from './json';
import type { Resource } from './resource-store';
import { completionPercent } from './snapshots';
import { type ArmHandler, type ArmWorld, requireResource } from './world';

const DURATION_SECONDS_MAX = 60 * 86_400;
const SAS_PER_FAMILY_MAX = 5;

/** Ends with `{accessSAS}`. Granting again while a SAS is active extends it and gives the same URL. */
export const beginGetAccess: ArmHandler = (world, call) => {
  const resource = requireResource(world, call.path);
  const durationSeconds = asNumber(call.body['durationInSeconds']) ?? 0;
  if (!Number.isInteger(durationSeconds) || durationSeconds <= 0 || durationSeconds > DURATION_SECONDS_MAX) {
    throw invalidParameter(`'durationInSeconds' must be 1 to ${DURATION_SECONDS_MAX}.`);
  }
  if (call.body['getSecureVMGuestStateSAS'] === true) {
    throw new ArmError(400, 'BadRequest', 'The resource has no security profile: there is no guest state to export.');
  }
  const level = asText(call.body['access']);
  if (level !== 'Read' && level !== 'Write') throw invalidParameter(`'access' must be Read or Write.`);
  checkNetwork(resource);
  checkState(world, resource, level);
  const access = world.accesses.grant(resource.key, resource.state.volumeId ?? '', level, durationSeconds * 1000);
  if (level === 'Write') world.resources.put('disks', resource.body, { ...resource.state, upload: 'active' });
  return { status: 202, operation: { result: { accessSAS: sasUrl(world.dataOrigin(), access) } } };
};

/** Succeeds also when there is no access. Ends an upload, which needs a valid footer by then. */
export const endGetAccess: ArmHandler = (world, call) => {
  const resource = requireResource(world, call.path);
  if (resource.state.upload === 'active') {
    const { footer, sizeBytes } = world.volumes.get(resource.state.volumeId ?? '');
    const defect = footerDefect(footer, sizeBytes);
    if (defect !== undefined) {
      throw new ArmError(400, 'InvalidVhd', `Disk ${resource.name}: the upload is not a supported VHD: ${defect}.`);
    }
    const { upload: _, ...finished } = resource.state;
    world.resources.put('disks', resource.body, finished);
  }
  world.accesses.revoke(resource.key);
  return { status: 202, operation: { result: undefined } };
};

/** Who may reach the bytes is a property of each disk and snapshot; a private link of the test machine is its loopback. */
function checkNetwork(resource: Resource): void {
  const policy = at(resource.body, 'properties', 'networkAccessPolicy');
  const isClosed = at(resource.body, 'properties', 'publicNetworkAccess') === 'Disabled' && policy !== 'AllowPrivate';
  if (policy === 'DenyAll' || isClosed) {
    throw notAllowed(`Access to ${resource.name} is denied by its networkAccessPolicy or publicNetworkAccess.`);
  }
  if (at(resource.body, 'properties', 'dataAccessAuthMode') === 'AzureActiveDirectory') {
    throw notEmulated("dataAccessAuthMode 'AzureActiveDirectory'");
  }
}

function checkState(world: ArmWorld, resource: Resource, level: 'Read' | 'Write'): void {
  const isDisk = /\/disks\/[^/]+$/i.test(resource.id);
  if (isDisk && resource.body['managedBy'] !== undefined) {
    throw notAllowed(`Disk ${resource.name} is attached: this operation is not allowed on attached disks.`);
  }
  if (level === 'Write' && resource.state.upload === undefined) {
    throw notAllowed(`${resource.name} was not created for upload: only Read access can be granted.`);
  }
  if (level === 'Read' && resource.state.upload !== undefined) {
    throw notAllowed(`Disk ${resource.name} is being uploaded: only Write access can be granted.`);
  }
  if (completionPercent(world, resource) < 100) {
    throw notAllowed(`${resource.name} is still being copied: access can be granted at completionPercent 100.`);
  }
  const { familyId } = resource.state;
  if (isDisk || familyId === undefined || world.accesses.active(resource.key) !== undefined) return;
  const active = world.accesses
    .list()
    .filter(({ target }) => target !== resource.key && !/\/disks\/[^/]+$/.test(target))
    .filter(({ target }) => world.resources.get(target)?.state.familyId === familyId);
  if (active.length >= SAS_PER_FAMILY_MAX) {
    throw notAllowed(`At most ${SAS_PER_FAMILY_MAX} snapshots of one incremental family can have an active SAS.`);
  }
}
