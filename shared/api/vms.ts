/** GET /api/vms: every VM we can see, what protects it, and how fresh its newest restore point is. */
import { boundedMap } from '../base/bounded-map';
import { selectMachines } from '../policy/selection';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json } from './http';
import { listMachines } from './inventory';
import { readQuery } from './query';

const LOOKUPS_AT_ONCE = 16;

export async function listVms(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const [machines, stored] = await Promise.all([listMachines(deps), deps.catalog.policies.list()]);
  const protectedBy = new Map<string, string[]>();
  for (const { policy } of stored) {
    if (!policy.enabled) continue;
    for (const { id } of selectMachines(policy, machines).selected) {
      protectedBy.set(id, [...(protectedBy.get(id) ?? []), policy.name]);
    }
  }
  const items = await boundedMap(machines, LOOKUPS_AT_ONCE, async (machine) => {
    const lastPoint = await deps.catalog.points.latest(machine.id);
    return {
      id: machine.id,
      name: machine.name,
      region: machine.region,
      sizeBytes: machine.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
      disks: machine.disks.length,
      tags: machine.tags,
      policies: protectedBy.get(machine.id) ?? [],
      ...(lastPoint ? { lastPoint } : {}),
    };
  });
  return json(200, { items });
}
