/** Microsoft.Compute/virtualMachineScaleSets: seeded ones, of which only the capacity changes. */
import { invalidParameter, notEmulated } from './arm-error';
import { resourceId } from './arm-path';
import { asNumber, asObject, at, type Json } from './json';
import { pick } from './request-body';
import type { Resource } from './resource-store';
import { type ArmHandler, type ArmWorld, provisioningState, requireResource } from './world';

export const CAPACITY_MAX = 16;

export function scaleSetView(world: ArmWorld, scaleSet: Resource): Json {
  return {
    ...scaleSet.body,
    properties: {
      ...asObject(scaleSet.body['properties']),
      provisioningState: world.now() >= scaleSet.state.readyAt ? 'Succeeded' : 'Updating',
    },
  };
}

export const getScaleSet: ArmHandler = (world, { path }) => ({
  status: 200,
  body: scaleSetView(world, requireResource(world, path)),
});

/** PUT and PATCH: `sku.capacity` and tags. */
export const updateScaleSet: ArmHandler = (world, call) => {
  const present = world.resources.get(resourceId(call.path));
  if (present === undefined) throw notEmulated('creating a scale set other than by the seed');
  const capacity = asNumber(at(call.body, 'sku', 'capacity')) ?? capacityOf(present);
  if (!Number.isInteger(capacity) || capacity < 0 || capacity > CAPACITY_MAX) {
    throw invalidParameter(`'sku.capacity' must be 0 to ${CAPACITY_MAX}.`);
  }
  const updated = world.resources.put(
    'virtualmachinescalesets',
    { ...present.body, ...pick(call.body, ['tags']), sku: { ...asObject(present.body['sku']), capacity } },
    { ...present.state, readyAt: world.now() + world.behaviour.lroMs },
  );
  const body = scaleSetView(world, updated);
  return { status: 200, body, operation: { result: body } };
};

export function capacityOf(scaleSet: Resource): number {
  return asNumber(at(scaleSet.body, 'sku', 'capacity')) ?? 0;
}

/** One entry an instance, numbered from 0. */
export function instanceViews(world: ArmWorld, scaleSet: Resource): readonly Json[] {
  return Array.from({ length: capacityOf(scaleSet) }, (_, index) => ({
    id: `${scaleSet.id}/virtualMachines/${index}`,
    name: `${scaleSet.name}_${index}`,
    instanceId: String(index),
    type: 'Microsoft.Compute/virtualMachineScaleSets/virtualMachines',
    location: scaleSet.location,
    properties: { provisioningState: provisioningState(world, scaleSet.state) },
  }));
}
