/** GET /api/vms: every VM the caller can see, what protects it, and how fresh its newest restore point is. */
import { z } from 'zod';
import { boundedMap } from '../base/bounded-map';
import { pointIdSchema, policyNameSchema } from '../model/ids';
import { selectMachines } from '../policy/selection';
import { inScope } from './caller';
import { json } from './http';
import { listMachines } from './inventory';
import { defineRoute } from './route';
import { readers } from './schemas';

const LOOKUPS_AT_ONCE = 16;

const vmSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    region: z.string(),
    sizeBytes: z.number(),
    disks: z.number().int(),
    tags: z.record(z.string(), z.string()),
    policies: z.array(policyNameSchema),
    lastPoint: z.strictObject({ id: pointIdSchema, createdAt: z.string() }).optional(),
  })
  .meta({ id: 'Vm' });

export const listVms = defineRoute({
  name: 'listVms',
  method: 'GET',
  path: 'vms',
  area: 'VMs',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'Every VM, what protects it, and its newest restore point',
  replies: { 200: { description: 'The VMs', schema: z.strictObject({ items: z.array(vmSchema) }) } },
  handler: async ({ caller }, deps) => {
    const [all, stored] = await Promise.all([listMachines(deps), deps.catalog.policies.list()]);
    const machines = all.filter(({ id }) => inScope(caller, id));
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
  },
});
