/** A job, as GET /api/jobs/{id} answers and as a `--json` line. */
import { z } from 'zod';
import { jobPhaseSchema, jobStatusSchema } from '../../shared/model/job';
import type { Field, Output } from '../output';
import type { Column } from '../table';
import { age, bytes, duration, instant, rate } from '../text';

const lun = z.union([z.literal('os'), z.number()]);

export const jobLine = z.object({
  id: z.string(),
  kind: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  region: z.string(),
  policy: z.string().optional(),
  trigger: z.string(),
  status: jobStatusSchema,
  phase: jobPhaseSchema.or(z.string()),
  createdAt: z.string(),
  endedAt: z.string().optional(),
  cancelRequested: z.boolean().optional(),
  pointId: z.string().optional(),
  targets: z.array(z.object({ lun, target: z.string() })).optional(),
  stats: z
    .object({
      logicalBytes: z.number(),
      changedBytes: z.number(),
      readBytes: z.number(),
      newBytes: z.number(),
      storedBytes: z.number(),
    })
    .optional(),
  notes: z.array(z.string()),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  progress: z.object({
    bytesTotal: z.number(),
    bytesDone: z.number(),
    percent: z.number(),
    rateBytesPerSecond: z.number(),
    etaSeconds: z.number().nullable(),
  }),
});
export type JobLine = z.output<typeof jobLine>;

export function jobColumns(out: Output<never>, nowMs: number): Column<JobLine>[] {
  return [
    { title: 'JOB', of: ({ id }) => id },
    { title: 'KIND', of: ({ kind }) => kind },
    { title: 'VM', of: ({ vmName }) => vmName },
    { title: 'STATUS', of: statusOf, paint: (cell, job) => paintOf(out, job)(cell) },
    { title: 'STARTED', of: ({ createdAt }) => age(createdAt, nowMs) },
    { title: 'TOOK', of: (job) => tookOf(job, nowMs), align: 'right' },
    { title: 'READ', of: ({ stats }) => (stats ? bytes(stats.readBytes) : undefined), align: 'right' },
    { title: 'STORED', of: ({ stats }) => (stats ? bytes(stats.storedBytes) : undefined), align: 'right' },
  ];
}

export function jobFields(job: JobLine, nowMs: number): Field[] {
  const { stats, progress, error } = job;
  return [
    ['job', job.id],
    ['kind', `${job.kind} (${job.trigger}${job.policy === undefined ? '' : `, policy ${job.policy}`})`],
    ['vm', `${job.vmName} in ${job.region}`],
    ['status', `${statusOf(job)}${job.cancelRequested && job.status === 'running' ? ', being canceled' : ''}`],
    ['started', `${instant(job.createdAt)} (${age(job.createdAt, nowMs)})`],
    ['took', tookOf(job, nowMs)],
    ['done', `${bytes(progress.bytesDone)} of ${bytes(progress.bytesTotal)}`],
    ['rate', progress.rateBytesPerSecond > 0 ? rate(progress.rateBytesPerSecond) : undefined],
    ['left', progress.etaSeconds === null ? undefined : duration(progress.etaSeconds)],
    ['changed', stats && bytes(stats.changedBytes)],
    ['read', stats && bytes(stats.readBytes)],
    ['new', stats && bytes(stats.newBytes)],
    ['stored', stats && bytes(stats.storedBytes)],
    ['restore point', job.pointId],
    ...(job.targets ?? []).map(({ lun: disk, target }): Field => [`disk ${disk}`, target]),
    ...job.notes.map((note): Field => ['note', note]),
    ['error', error && `${error.message} (${error.code})`],
  ];
}

const statusOf = ({ status, phase, progress }: JobLine): string =>
  status === 'running' ? `${phase} ${progress.percent} %` : status;

const paintOf = ({ paint }: Output<never>, { status }: JobLine): ((text: string) => string) =>
  status === 'failed' ? paint.bad : status === 'succeeded' ? paint.good : paint.warn;

function tookOf({ createdAt, endedAt }: JobLine, nowMs: number): string {
  return duration(((endedAt === undefined ? nowMs : Date.parse(endedAt)) - Date.parse(createdAt)) / 1000);
}
