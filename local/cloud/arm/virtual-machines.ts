/** Microsoft.Compute/virtualMachines: what attaches disks; no guest runs in them. */
import { ArmError, invalidParameter, notAllowed, notEmulated, resourceNotFound } from './arm-error';
import { keyOf, resourceId } from './arm-path';
import { diskState, removeDisk } from './disks';
import { asList, asObject, asText, at, type Json } from './json';
import { pick, requireLocation } from './request-body';
import type { Resource, ResourceState } from './resource-store';
import { type ArmHandler, type ArmWorld, gib, isoTime, newState, provisioningState, requireResource } from './world';

const VM_FIELDS = ['tags', 'zones', 'identity', 'plan'];
const VM_PROPERTIES = [
  'hardwareProfile',
  'networkProfile',
  'securityProfile',
  'diagnosticsProfile',
  'additionalCapabilities',
  'availabilitySet',
  'licenseType',
  'userData',
];

export function vmView(world: ArmWorld, vm: Resource, expand: readonly string[]): Json {
  const { userData, ...properties } = asObject(vm.body['properties']);
  const display = { running: 'VM running', stopped: 'VM stopped', deallocated: 'VM deallocated' };
  const power = vm.state.power ?? 'running';
  return {
    ...vm.body,
    properties: {
      ...properties,
      ...(expand.includes('userdata') && userData !== undefined ? { userData } : {}),
      ...(expand.includes('instanceview')
        ? {
            instanceView: { statuses: [{ code: `PowerState/${power}`, level: 'Info', displayStatus: display[power] }] },
          }
        : {}),
      provisioningState: provisioningState(world, vm.state),
    },
  };
}

export function expandOf(query: URLSearchParams): readonly string[] {
  return (query.get('$expand') ?? '').toLowerCase().split(',');
}

export const getVm: ArmHandler = (world, { path, query }) => ({
  status: 200,
  body: vmView(world, requireResource(world, path), expandOf(query)),
});

export const putVm: ArmHandler = (world, call) => {
  const id = resourceId(call.path);
  const present = world.resources.get(id);
  const vm = saveVm(world, { id, name: call.path.names[0] ?? '', body: call.body });
  const body = vmView(world, vm, []);
  return { status: present === undefined ? 201 : 200, body, operation: { result: body } };
};

/** Creates or changes a VM, and attaches and detaches its disks accordingly. */
export function saveVm(
  world: ArmWorld,
  wanted: { readonly id: string; readonly name: string; readonly body: Json },
): Resource {
  const present = world.resources.get(wanted.id);
  const location = requireLocation(wanted.body);
  const properties = asObject(wanted.body['properties']);
  if (properties['osProfile'] !== undefined) throw invalidParameter("Parameter 'osProfile' is not allowed.");
  const attached = attachments(world, properties, wanted.id, location);
  if (present !== undefined) {
    const presentOsDisk = asText(at(present.body, 'properties', 'storageProfile', 'osDisk', 'managedDisk', 'id')) ?? '';
    const isSwap = keyOf(attached.osDisk.id) !== keyOf(presentOsDisk);
    if (isSwap && present.state.power !== 'deallocated')
      throw notAllowed('The OS disk can be changed only on a deallocated VM.');
    detachAll(world, present.id);
  }
  for (const disk of attached.all) {
    world.resources.put('disks', { ...disk.body, managedBy: wanted.id }, disk.state);
  }
  const state: ResourceState = { ...newState(world), power: present?.state.power ?? 'running' };
  return world.resources.put(
    'virtualmachines',
    {
      id: wanted.id,
      name: wanted.name,
      type: 'Microsoft.Compute/virtualMachines',
      location,
      ...pick(wanted.body, VM_FIELDS),
      properties: {
        hardwareProfile: { vmSize: 'Standard_D2s_v5' },
        ...pick(properties, VM_PROPERTIES),
        storageProfile: attached.profile,
        vmId: at(present?.body, 'properties', 'vmId') ?? world.random.uuid(),
        timeCreated: at(present?.body, 'properties', 'timeCreated') ?? isoTime(state.createdAt),
      },
    },
    { ...state, createdAt: present?.state.createdAt ?? state.createdAt },
  );
}

export const patchVm: ArmHandler = (world, call) => {
  const vm = requireResource(world, call.path);
  const unknown = Object.keys(call.body).filter((field) => field !== 'tags' && field !== 'identity');
  if (unknown.length > 0) throw notEmulated(`updating '${unknown.join(', ')}' of a VM by PATCH`);
  const updated = world.resources.put('virtualmachines', { ...vm.body, ...pick(call.body, VM_FIELDS) }, vm.state);
  const body = vmView(world, updated, []);
  return { status: 200, body, operation: { result: body } };
};

export const deleteVm: ArmHandler = (world, { path }) => {
  const vm = world.resources.get(resourceId(path));
  if (vm === undefined) return { status: 204 };
  world.resources.delete(vm.id);
  const storage = asObject(at(vm.body, 'properties', 'storageProfile'));
  detachAll(world, vm.id);
  for (const attached of [storage['osDisk'], ...asList(storage['dataDisks'])]) {
    const disk = world.resources.get(asText(at(attached, 'managedDisk', 'id')) ?? '');
    if (at(attached, 'deleteOption') === 'Delete' && disk !== undefined) removeDisk(world, disk);
  }
  return { status: 202, operation: { result: undefined } };
};

/** start, powerOff, restart and deallocate. */
export function powerHandler(power: 'running' | 'stopped' | 'deallocated'): ArmHandler {
  return (world, call) => {
    const vm = requireResource(world, call.path);
    world.resources.put('virtualmachines', vm.body, { ...vm.state, power });
    return { status: 202, operation: { result: undefined } };
  };
}

interface Attachments {
  readonly osDisk: Resource;
  readonly all: readonly Resource[];
  readonly profile: Json;
}

function attachments(world: ArmWorld, properties: Json, vmId: string, location: string): Attachments {
  const storage = asObject(properties['storageProfile']);
  const wantedOsDisk = asObject(storage['osDisk']);
  if (storage['imageReference'] !== undefined) throw notEmulated('a VM from an image');
  if (wantedOsDisk['createOption'] !== 'Attach')
    throw notEmulated(`OS disk createOption '${String(wantedOsDisk['createOption'])}'`);
  if (asText(wantedOsDisk['osType']) === undefined)
    throw invalidParameter("Required parameter 'osDisk.osType' is missing.");
  const osDisk = attachable(world, wantedOsDisk, vmId, location);
  const luns = new Set<unknown>();
  const data = asList(storage['dataDisks']).map((entry) => {
    const wanted = asObject(entry);
    if (wanted['createOption'] !== 'Attach')
      throw notEmulated(`data disk createOption '${String(wanted['createOption'])}'`);
    if (typeof wanted['lun'] !== 'number' || luns.has(wanted['lun'])) {
      throw invalidParameter(`'dataDisk.lun' ${String(wanted['lun'])} is missing or used twice.`);
    }
    luns.add(wanted['lun']);
    return { wanted, disk: attachable(world, wanted, vmId, location) };
  });
  const all = [osDisk, ...data.map(({ disk }) => disk)];
  if (new Set(all.map(({ key }) => key)).size < all.length) throw invalidParameter('A disk is attached twice.');
  return {
    osDisk,
    all,
    profile: {
      ...pick(storage, ['diskControllerType']),
      osDisk: attachedDisk(world, wantedOsDisk, osDisk),
      dataDisks: data.map(({ wanted, disk }) => attachedDisk(world, wanted, disk)),
    },
  };
}

function attachable(world: ArmWorld, wanted: Json, vmId: string, location: string): Resource {
  const id = asText(at(wanted, 'managedDisk', 'id')) ?? '';
  const disk = world.resources.get(id);
  if (disk === undefined) throw resourceNotFound(id);
  if (disk.location !== location)
    throw invalidParameter(`Disk ${disk.name} is in ${disk.location}, the VM in ${location}.`);
  const holder = asText(disk.body['managedBy']);
  if (holder !== undefined && keyOf(holder) !== keyOf(vmId)) {
    throw new ArmError(409, 'AttachDiskWhileBeingAttached', `Disk ${disk.name} is attached to VM ${holder}.`);
  }
  const state = diskState(world, disk);
  if (holder === undefined && state !== 'Unattached')
    throw notAllowed(`Disk ${disk.name} is in state ${state} and cannot be attached.`);
  return disk;
}

function attachedDisk(world: ArmWorld, wanted: Json, disk: Resource): Json {
  const { sizeBytes } = world.volumes.get(disk.state.volumeId ?? '');
  return {
    ...pick(wanted, ['lun', 'osType', 'writeAcceleratorEnabled']),
    name: disk.name,
    createOption: 'Attach',
    caching: asText(wanted['caching']) ?? 'None',
    deleteOption: asText(wanted['deleteOption']) ?? 'Detach',
    diskSizeGB: gib(sizeBytes),
    managedDisk: { id: disk.id, storageAccountType: at(disk.body, 'sku', 'name') },
  };
}

function detachAll(world: ArmWorld, vmId: string): void {
  for (const disk of world.resources.list('disks')) {
    if (keyOf(asText(disk.body['managedBy']) ?? '') !== keyOf(vmId)) continue;
    const { managedBy: _, ...body } = disk.body;
    world.resources.put('disks', body, disk.state);
  }
}
