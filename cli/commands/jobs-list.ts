import type { z } from 'zod';
import { jobStatusSchema } from '../../shared/model/job';
import { defineCommand } from '../command';
import { vmIdFor } from '../find-vm';
import { jobColumns, jobLine } from '../lines/job';
import { count, optionalText } from '../option-values';

export const jobsListCommand = defineCommand({
  name: 'jobs list',
  summary: 'jobs, newest first',
  examples: [
    { run: 'blockferry jobs list', does: 'the last 20' },
    { run: 'blockferry jobs list --status failed --limit 100', does: 'what went wrong' },
    { run: 'blockferry jobs list --vm web --watch', does: 'of one virtual machine, again and again' },
  ],
  reach: ['api'],
  watchable: true,
  options: {
    vm: {
      flags: '--vm <name>',
      says: 'only of this virtual machine (name or id)',
      value: optionalText,
      complete: 'vm',
    },
    status: {
      flags: '--status <status>',
      says: 'running, succeeded, failed or canceled',
      value: jobStatusSchema.optional(),
      complete: jobStatusSchema.options,
    },
    limit: { flags: '--limit <count>', says: 'at most so many (20)', value: count(20, 10_000) },
  },
  lines: { job: jobLine },
  run: async ({ options, out, api, nowMs }) => {
    const client = await api();
    const vmId = options.vm === undefined ? undefined : await vmIdFor(client, options.vm);
    const jobs: z.output<typeof jobLine>[] = [];
    const query = { status: options.status, vmId, limit: Math.min(options.limit, 100) };
    for await (const job of client.pages('/jobs', jobLine, query)) {
      jobs.push(job);
      if (jobs.length >= options.limit) break;
    }
    out.rows('job', jobs, jobColumns(out as never, nowMs()), 'no jobs; `blockferry backup run VM` starts one');
    return undefined;
  },
});
