import { z } from 'zod';
import { defineCommand } from '../command';
import { followJobs, followLines } from '../follow-job';
import { flag, text } from '../option-values';

const vm = z.object({ vmId: z.string(), vmName: z.string() });
const runReply = z.object({
  jobs: z.array(vm.extend({ id: z.string() })),
  running: z.array(z.object({ jobId: z.string(), vmId: z.string() })),
  skipped: z.array(z.object({ vmId: z.string(), reason: z.string() })),
});
const previewReply = runReply.omit({ jobs: true }).extend({ wouldStart: z.array(vm) });

export const policyRunCommand = defineCommand({
  name: 'policy run',
  summary: 'back up now what a policy selects',
  description:
    'Works for a disabled policy too. Exit code 3 when some of the selected virtual machines could not be started.',
  examples: [
    { run: 'blockferry policy run gold --dry-run', does: 'which virtual machines, and which not and why' },
    { run: 'blockferry policy run gold --watch', does: 'start the jobs and stay to their end' },
  ],
  reach: ['api'],
  arguments: { name: { usage: '<name>', says: 'name of the policy', value: text, complete: 'policy' } },
  options: {
    dryRun: { flags: '-n, --dry-run', says: 'start nothing, and say what would be', value: flag },
    watch: { flags: '-w, --watch', says: 'stay until the jobs have ended', value: flag },
  },
  lines: {
    ...followLines,
    wouldStart: vm,
    started: vm.extend({ jobId: z.string() }),
    running: z.object({ jobId: z.string(), vmId: z.string() }),
    skipped: z.object({ vmId: z.string(), reason: z.string() }),
  },
  run: async (context) => {
    const { args, options, out } = context;
    const api = await context.api();
    const path = `/policies/${encodeURIComponent(args.name)}/run`;
    const others = ({ running, skipped }: Pick<z.output<typeof runReply>, 'running' | 'skipped'>): void => {
      for (const item of running) out.line('running', item, (row) => `${row.vmId}: job ${row.jobId} is at it already`);
      for (const item of skipped) out.line('skipped', item, (row) => `${row.vmId}: ${row.reason}`, out.paint.warn);
    };
    if (options.dryRun) {
      const { body } = await api.call('POST', path, previewReply, { query: { dryRun: true } });
      for (const item of body.wouldStart) out.line('wouldStart', item, (row) => `${row.vmName}: would be backed up`);
      others(body);
      return body.skipped.length > 0 ? 'partial' : undefined;
    }
    const { body } = await api.call('POST', path, runReply);
    for (const { id, ...item } of body.jobs) {
      out.line('started', { ...item, jobId: id }, (row) => `${row.vmName}: job ${row.jobId}`);
    }
    others(body);
    const jobIds = body.jobs.map(({ id }) => id);
    const followed = options.watch && jobIds.length > 0 ? await followJobs({ ...context, api }, jobIds) : undefined;
    return body.skipped.length > 0 ? 'partial' : followed;
  },
});
