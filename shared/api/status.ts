/** GET /api/status: one state for each VM, with the reasons, and what they add up to. */
import { z } from 'zod';
import { policyNameSchema } from '../model/ids';
import { vmStates } from '../observe/vm-status';
import { fleetView } from './fleet-status';
import { json } from './http';
import { defineRoute } from './route';
import { readers } from './schemas';

const vmStatusSchema = z
  .strictObject({
    vmId: z.string(),
    vmName: z.string(),
    region: z.string(),
    state: z.enum(vmStates),
    reasons: z.array(z.string()),
    policies: z.array(policyNameSchema),
    lastPointAt: z.string().optional(),
    lastVerifiedAt: z.string().optional(),
    rpoGapSeconds: z.number().optional(),
  })
  .meta({ id: 'VmStatus' });

export const getStatus = defineRoute({
  name: 'getStatus',
  method: 'GET',
  path: 'status',
  area: 'VMs',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'How well each VM is protected, and why not better',
  description:
    'A VM is `protected` only when everything that could speak against it was looked at: an enabled policy, a point in time, a verified point in time, all disks, a last backup that succeeded, and an installation whose scheduler and janitor work.',
  replies: {
    200: {
      description: 'The VMs, worst first, and the numbers',
      schema: z.strictObject({
        vms: z.record(z.enum(vmStates), z.number().int()),
        doubts: z.array(z.string()),
        items: z.array(vmStatusSchema),
      }),
    },
  },
  handler: async ({ caller }, deps) => {
    const { vms, doubts } = await fleetView(deps, caller);
    const items = vms.map(({ machine, policies, lastPointAt, lastVerifiedAt, status }) => ({
      vmId: machine.id,
      vmName: machine.name,
      region: machine.region,
      state: status.state,
      reasons: [...status.reasons],
      policies: [...policies],
      ...(lastPointAt === undefined ? {} : { lastPointAt }),
      ...(lastVerifiedAt === undefined ? {} : { lastVerifiedAt }),
      ...(status.rpoGapSeconds === undefined ? {} : { rpoGapSeconds: status.rpoGapSeconds }),
    }));
    items.sort((a, b) => vmStates.indexOf(a.state) - vmStates.indexOf(b.state) || a.vmName.localeCompare(b.vmName));
    const count = (state: string): number => items.filter((item) => item.state === state).length;
    return json(200, { vms: Object.fromEntries(vmStates.map((state) => [state, count(state)])), doubts, items });
  },
});
