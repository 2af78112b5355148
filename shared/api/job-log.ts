import { z } from 'zod';
import { jobLogLineSchema } from '../catalog/job-log';
import { json } from './http';
import { findJob } from './jobs';
import { defineRoute } from './route';
import { idParameter, readers } from './schemas';

export const getJobLog = defineRoute({
  name: 'getJobLog',
  method: 'GET',
  path: 'jobs/{id}/log',
  area: 'Jobs',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'What happened in a job, line by line',
  params: idParameter,
  query: {
    after: z.iso
      .datetime()
      .optional()
      .meta({ description: 'Only lines after this instant: for following a job that runs' }),
  },
  replies: {
    200: {
      description: 'Lines, oldest first',
      schema: z.strictObject({ items: z.array(jobLogLineSchema.meta({ id: 'JobLogLine' })) }),
    },
  },
  example: { params: { id: 'b-20261122-020000-0011aabb' } },
  handler: async ({ caller, params, query }, deps) => {
    const job = await findJob(deps, caller, params.id);
    const lines = await deps.catalog.jobLog.read(job.id);
    const { after } = query;
    return json(200, { items: after === undefined ? lines : lines.filter(({ at }) => at > after) });
  },
});
