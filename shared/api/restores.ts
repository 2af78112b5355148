/** POST /api/restores: disks of a restore point, into image files or new managed disks. Nothing that exists is written over. */
import { z } from 'zod';
import { AppError } from '../model/errors';
import { parseArmId, pointIdSchema, regionSchema } from '../model/ids';
import { diskInfoSchema, type Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';
import { uploadRefusal } from '../model/upload-rules';
import type { RestoreTarget } from '../workflows/restore/contracts';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { accepted, json } from './http';
import { seededJobId } from './idempotent';
import { isServed } from './inventory';
import { badRequest, notFound } from './problem';
import { findPoint } from './restore-points';
import { defineRoute } from './route';
import { lunSchema, startedReply } from './schemas';

const targetSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('image') }),
    z.strictObject({
      kind: z.literal('disk'),
      resourceGroup: z.string().regex(/^[-\w.()]{1,89}[-\w()]$|^[-\w()]$/, 'the name of a resource group'),
      /** Azure takes 80 characters; LUN and job follow. */
      namePrefix: z
        .string()
        .regex(/^[A-Za-z0-9][\w.-]{0,39}$/, 'letters, digits, ".", "_" and "-", at most 40')
        .optional(),
      subscription: z.uuid().toLowerCase().optional(),
      region: regionSchema.optional(),
    }),
  ],
  { error: "must have a kind: 'image' or 'disk'" },
);

const restoreBodySchema = z.strictObject({
  pointId: pointIdSchema,
  luns: z.array(diskInfoSchema.shape.lun, { error: "a list of 'os' and LUNs" }).min(1).max(65).optional(),
  target: targetSchema,
});
type RestoreBody = z.output<typeof restoreBodySchema>;

const previewSchema = z.strictObject({
  dryRun: z.literal(true),
  pointId: z.string(),
  vmName: z.string(),
  disks: z.array(z.strictObject({ lun: lunSchema, sizeBytes: z.number() })),
  target: targetSchema,
});

export const startRestore = defineRoute({
  name: 'startRestore',
  method: 'POST',
  path: 'restores',
  area: 'Restores',
  roles: ['restorer'],
  scope: 'vm',
  mutates: true,
  quotaPerHour: 60,
  summary: 'Restore disks of a restore point into new disks or image files',
  body: restoreBodySchema,
  replies: { 200: { description: 'Dry run: what would be restored', schema: previewSchema }, 202: startedReply },
  example: { body: { pointId: 'p-b-20261122-020000-0011aabb', target: { kind: 'disk', resourceGroup: 'restored' } } },
  handler: async ({ caller, body, dryRun, seed, countStart }, deps) => {
    const { point, luns, target } = await vetted(deps, caller, body);
    if (dryRun) {
      const disks = point.disks.filter(({ lun }) => luns.includes(lun));
      const shown = disks.map(({ lun, sizeBytes }) => ({ lun, sizeBytes }));
      return json(200, { dryRun: true, pointId: point.id, vmName: point.machine.name, disks: shown, target });
    }
    await countStart();
    const id = seed === undefined ? {} : { jobId: seededJobId('r', seed) };
    const { jobId } = await deps.jobs.startRestore({ point, luns, target, ...id });
    return accepted(jobId, { jobId, status: 'running' });
  },
});

interface Vetted {
  readonly point: RestorePoint;
  readonly luns: readonly Lun[];
  readonly target: RestoreTarget;
}

async function vetted(deps: ApiDependencies, caller: Caller, body: RestoreBody): Promise<Vetted> {
  const { point, standing } = await findPoint(deps, caller, body.pointId);
  if (standing.expiry) {
    const message = 'the restore point was given up; take it back first (points undo-expire), while there is time';
    throw new AppError('request.conflict', message, { context: { point: point.id } });
  }
  const target = targetOf(deps, caller, body, point);
  const has = new Set(point.disks.map(({ lun }) => lun));
  const wrong = (body.luns ?? []).flatMap((lun, index) =>
    has.has(lun) ? [] : [{ pointer: `/luns/${index}`, message: `the restore point has no disk ${lun}` }],
  );
  if (wrong.length > 0) throw badRequest('a disk to restore is not in the restore point', wrong);
  const luns = [...new Set(body.luns ?? has)];
  if (target.kind === 'disk') await requirePossible(deps, target, point, luns);
  return { point, luns, target };
}

/** What would fail as a job fails here: before anything is made, with the field that has to change. */
async function requirePossible(
  deps: ApiDependencies,
  target: Extract<RestoreTarget, { kind: 'disk' }>,
  point: RestorePoint,
  luns: readonly Lun[],
): Promise<void> {
  const machineDisk = (lun: Lun) => point.machine.disks.find((disk) => disk.lun === lun);
  const refused = point.disks.flatMap(({ lun, sizeBytes }) => {
    const described = luns.includes(lun) ? machineDisk(lun) : undefined;
    const why = described && uploadRefusal({ ...described, sizeBytes });
    return why === undefined ? [] : [{ pointer: '/target/kind', message: `disk ${lun}: ${why}` }];
  });
  if (refused.length > 0) throw badRequest('Azure takes no upload of a disk to restore', refused);
  if (await deps.compute.hasResourceGroup(target.subscription, target.resourceGroup)) return;
  const message = `there is no resource group ${target.resourceGroup} in the subscription: make it, or name another`;
  throw badRequest('the target does not exist', [{ pointer: '/target/resourceGroup', message }]);
}

/** Disks go next to the VM unless told otherwise; a VM's subscription may be gone, and then one must be named. */
function targetOf(deps: ApiDependencies, caller: Caller, { target }: RestoreBody, point: RestorePoint): RestoreTarget {
  if (target.kind === 'image') return target;
  const home = parseArmId(point.machine.id).subscription;
  if (target.subscription === undefined && !isServed(deps, home)) {
    const message = "name one: the VM's own subscription is not served any more";
    throw badRequest('the target needs a subscription', [{ pointer: '/target/subscription', message }]);
  }
  const subscription = target.subscription ?? home;
  const { kind, resourceGroup, namePrefix, region } = target;
  if (!isServed(deps, subscription)) throw notFound('no such subscription in this installation');
  if (!inScope(caller, `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`)) {
    throw notFound('no such resource group in this installation');
  }
  return {
    kind,
    subscription,
    resourceGroup,
    ...(namePrefix === undefined ? {} : { namePrefix }),
    ...(region === undefined ? {} : { region }),
  };
}
