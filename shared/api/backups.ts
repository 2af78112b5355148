/** POST /api/backups: one VM, now. */
import { z } from 'zod';
import { resourceKey } from '../model/ids';
import type { Machine } from '../model/machine';
import type { Caller } from './caller';
import type { ApiDependencies } from './dependencies';
import { type ApiResponse, accepted, json } from './http';
import { seededJobId } from './idempotent';
import { findMachine } from './inventory';
import { badRequest, ProblemError } from './problem';
import { vmIdParameter } from './query';
import { defineRoute } from './route';
import { lunSchema, sampleVmId, startedReply } from './schemas';
import { obstacleOf } from './start-selected';

const dataLunSchema = z.number().int().min(0).max(63);
const backupBodySchema = z.strictObject({
  vmId: vmIdParameter,
  excludeLuns: z.array(dataLunSchema).max(64).optional(),
});
type BackupBody = z.output<typeof backupBodySchema>;

const previewSchema = z.strictObject({
  dryRun: z.literal(true),
  vmId: z.string(),
  vmName: z.string(),
  disks: z.array(z.strictObject({ lun: lunSchema, name: z.string(), sizeBytes: z.number() })),
});

export const startBackup = defineRoute({
  name: 'startBackup',
  method: 'POST',
  path: 'backups',
  area: 'Backups',
  roles: ['operator'],
  scope: 'vm',
  mutates: true,
  quotaPerHour: 200,
  summary: 'Back up one VM now',
  description: 'A VM has one job at a time: 409 names the one in the way.',
  body: backupBodySchema,
  replies: { 200: { description: 'Dry run: what would be backed up', schema: previewSchema }, 202: startedReply },
  example: { body: { vmId: sampleVmId, excludeLuns: [3] } },
  handler: async ({ caller, body, dryRun, seed, countStart }, deps) => {
    const machine = await vetted(deps, caller, body);
    if (dryRun) return preview(deps, machine, body);
    await countStart();
    const jobId = seed === undefined ? undefined : seededJobId('b', seed);
    const answer = await deps.jobs.startBackup({
      machine,
      trigger: 'request',
      ...(body.excludeLuns ? { excludeLuns: body.excludeLuns } : {}),
      ...(jobId === undefined ? {} : { jobId }),
    });
    if (answer.outcome === 'running' && answer.jobId !== jobId) throw alreadyRunning(machine, answer.jobId);
    return accepted(answer.jobId, { jobId: answer.jobId, status: 'running' });
  },
});

/** Answers as the real request would, and starts nothing. */
async function preview(deps: ApiDependencies, machine: Machine, body: BackupBody): Promise<ApiResponse> {
  const holder = await deps.catalog.leases.holder(resourceKey(machine.id));
  const job = holder === undefined ? undefined : await deps.catalog.jobs.read(holder);
  if (job?.status === 'running') throw alreadyRunning(machine, job.id);
  const disks = machine.disks
    .filter(({ lun }) => lun === 'os' || !body.excludeLuns?.includes(lun))
    .map(({ lun, name, sizeBytes }) => ({ lun, name, sizeBytes }));
  return json(200, { dryRun: true, vmId: machine.id, vmName: machine.name, disks });
}

/** The VM, when it is there and can be backed up: nothing is started for one that cannot. */
async function vetted(deps: ApiDependencies, caller: Caller, body: BackupBody): Promise<Machine> {
  const machine = await findMachine(deps, caller, body.vmId);
  const wrong = (body.excludeLuns ?? []).flatMap((lun, index) =>
    machine.disks.some((disk) => disk.lun === lun)
      ? []
      : [{ pointer: `/excludeLuns/${index}`, message: `${machine.name} has no disk at LUN ${lun}` }],
  );
  if (wrong.length > 0) throw badRequest('a LUN to leave out is not there', wrong);
  const reason = obstacleOf(machine, body.excludeLuns);
  if (reason !== undefined) throw new ProblemError({ status: 422, code: 'vm.unsupported', detail: reason });
  return machine;
}

function alreadyRunning(machine: Machine, jobId: string): ProblemError {
  const detail = `job ${jobId} is backing up ${machine.name}; wait for it or cancel it`;
  const headers = { location: `/api/jobs/${jobId}` };
  return new ProblemError({ status: 409, code: 'job.running', detail, headers, extra: { jobId } });
}
