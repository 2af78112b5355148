import { defineCommand } from '../command';
import { jobFields, jobLine } from '../lines/job';
import { text } from '../option-values';

export const jobsShowCommand = defineCommand({
  name: 'jobs show',
  summary: 'one job in full',
  examples: [{ run: 'blockferry jobs show b-20260301-020000-8f1a6c527d0e4b3c', does: 'phases, figures, notes, error' }],
  reach: ['api'],
  watchable: true,
  arguments: { job: { usage: '<job>', says: 'id of the job', value: text, complete: 'job' } },
  lines: { job: jobLine },
  run: async ({ args, out, api, nowMs }) => {
    const job = await (await api()).get(`/jobs/${encodeURIComponent(args.job)}`, jobLine);
    out.record('job', job, (row) => jobFields(row, nowMs()));
    return undefined;
  },
});
