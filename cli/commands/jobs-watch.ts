import { defineCommand } from '../command';
import { followJob, followLines } from '../follow-job';
import { text } from '../option-values';

export const jobsWatchCommand = defineCommand({
  name: 'jobs watch',
  summary: 'stay with a job to its end',
  description:
    'Ends with 0 when the job succeeded, 1 when it failed or was canceled, 13 when stored data were damaged. Ctrl-C leaves the job alone.',
  examples: [
    { run: 'blockferry jobs watch b-20260301-020000-8f1a6c527d0e4b3c', does: 'a bar with rate and time left' },
    { run: 'blockferry jobs watch JOB --json', does: 'a line of progress each second, the job at the end' },
  ],
  reach: ['api'],
  arguments: { job: { usage: '<job>', says: 'id of the job', value: text, complete: 'job' } },
  lines: followLines,
  run: async (context) => followJob({ ...context, api: await context.api() }, context.args.job),
});
