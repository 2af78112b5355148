/** POST /api/backups: one VM, now. */
import { z } from 'zod';
import { resourceKey } from '../model/ids';
import type { Machine } from '../model/machine';
import { readBody } from './body';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, accepted, json } from './http';
import { idempotent, seededJobId } from './idempotent';
import { findMachine } from './inventory';
import { badRequest, ProblemError } from './problem';
import { dryRunParameter, readQuery, vmIdParameter } from './query';
import { obstacleOf } from './start-selected';

const dataLunSchema = z.number().int().min(0).max(63);
const backupBodySchema = z.strictObject({
  vmId: vmIdParameter,
  excludeLuns: z.array(dataLunSchema).max(64).optional(),
});

export async function startBackup(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const { dryRun } = readQuery(request, { dryRun: dryRunParameter });
  const body = await readBody(request, backupBodySchema);
  if (dryRun) return previewBackup(deps, body);
  return idempotent(deps, request, body, async (seed) => {
    const machine = await vetted(deps, body);
    const jobId = seed === undefined ? undefined : seededJobId('b', seed);
    const answer = await deps.jobs.startBackup({
      machine,
      trigger: 'request',
      ...(body.excludeLuns ? { excludeLuns: body.excludeLuns } : {}),
      ...(jobId === undefined ? {} : { jobId }),
    });
    if (answer.outcome === 'running' && answer.jobId !== jobId) throw alreadyRunning(machine, answer.jobId);
    return accepted(answer.jobId, { jobId: answer.jobId, status: 'running' });
  });
}

type BackupBody = z.output<typeof backupBodySchema>;

/** Answers as the real request would, and starts nothing. */
async function previewBackup(deps: ApiDependencies, body: BackupBody): Promise<ApiResponse> {
  const machine = await vetted(deps, body);
  const holder = await deps.catalog.leases.holder(resourceKey(machine.id));
  const job = holder === undefined ? undefined : await deps.catalog.jobs.read(holder);
  if (job?.status === 'running') throw alreadyRunning(machine, job.id);
  const disks = machine.disks
    .filter(({ lun }) => lun === 'os' || !body.excludeLuns?.includes(lun))
    .map(({ lun, name, sizeBytes }) => ({ lun, name, sizeBytes }));
  return json(200, { dryRun: true, vmId: machine.id, vmName: machine.name, disks });
}

/** The VM, when it is there and can be backed up: nothing is started for one that cannot. */
async function vetted(deps: ApiDependencies, body: BackupBody): Promise<Machine> {
  const machine = await findMachine(deps, body.vmId);
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
