import { z } from 'zod';
import { defineCommand } from '../command';
import { text } from '../option-values';

export const jobsCancelCommand = defineCommand({
  name: 'jobs cancel',
  summary: 'ask a job to stop and to undo what it began',
  description: 'Comes back when the job has been told. `jobs watch` stays until it has stopped.',
  examples: [
    { run: 'blockferry jobs cancel b-20260301-020000-8f1a6c527d0e4b3c', does: 'its snapshots and access are released' },
  ],
  reach: ['api'],
  arguments: { job: { usage: '<job>', says: 'id of the job', value: text, complete: 'job' } },
  lines: { canceled: z.object({ jobId: z.string(), status: z.string() }) },
  run: async ({ args, out, api }) => {
    const path = `/jobs/${encodeURIComponent(args.job)}/cancel`;
    const { body } = await (await api()).call('POST', path, z.object({ jobId: z.string(), status: z.string() }));
    out.line('canceled', body, ({ jobId }) => `job ${jobId} has been told to stop`);
    return undefined;
  },
});
