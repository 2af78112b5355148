import { z } from 'zod';
import { CliError, toCliError, usageError } from '../cli-error';
import { defineCommand } from '../command';
import { type ExitName, exitCodes } from '../exit-codes';
import { listVms, pickVm } from '../find-vm';
import { followJobs, followLines } from '../follow-job';
import { flag, luns, tagRule } from '../option-values';
import { bytes } from '../text';

const startedLine = z.object({ jobId: z.string(), vmId: z.string(), vmName: z.string() });
const wouldStartLine = z.object({
  vmId: z.string(),
  vmName: z.string(),
  disks: z.array(z.object({ lun: z.union([z.literal('os'), z.number()]), name: z.string(), sizeBytes: z.number() })),
});
const skippedLine = z.object({
  vmId: z.string(),
  vmName: z.string(),
  code: z.string(),
  message: z.string(),
  exitCode: z.number(),
});

export const backupRunCommand = defineCommand({
  name: 'backup run',
  summary: 'back up virtual machines now',
  description:
    'Starts one job for each. A virtual machine that cannot be backed up is told with its reason and keeps the others from nothing (exit code 3).',
  examples: [
    { run: 'blockferry backup run web --watch', does: 'one, and stay to its end' },
    {
      run: 'blockferry backup run --tag env=prod --dry-run',
      does: 'what would be started, and what stands in the way',
    },
    { run: 'blockferry backup run web --exclude-lun 3', does: 'without a data disk; the restore point says so' },
  ],
  reach: ['api'],
  arguments: { vms: { usage: '[vm...]', says: 'names or ids', value: z.array(z.string()), complete: 'vm' } },
  options: {
    tag: { flags: '--tag <rule...>', says: 'those with TAG or TAG=VALUE', value: z.array(tagRule).optional() },
    excludeLun: { flags: '--exclude-lun <lun...>', says: 'leave out data disks', value: luns },
    dryRun: { flags: '-n, --dry-run', says: 'start nothing, and say what would be', value: flag },
    watch: { flags: '-w, --watch', says: 'stay until the jobs have ended', value: flag },
  },
  lines: { ...followLines, started: startedLine, wouldStart: wouldStartLine, skipped: skippedLine },
  run: async (context) => {
    const { args, options, out } = context;
    const api = await context.api();
    const all = await listVms(api);
    const tagged =
      (options.tag ?? []).length === 0
        ? []
        : all.filter(({ tags }) => options.tag?.every((rule) => matches(tags, rule)));
    const chosen = [...new Set([...args.vms.map((name) => pickVm(all, name)), ...tagged])];
    if (args.vms.length === 0 && options.tag === undefined)
      throw usageError('no virtual machine was named', 'give names, ids or --tag');
    if (chosen.length === 0)
      throw new CliError('nothing', 'no virtual machine has these tags', { code: 'vm.not-found' });

    const jobIds: string[] = [];
    const refused: ExitName[] = [];
    for (const { id: vmId, name: vmName } of chosen) {
      const body = { vmId, ...(options.excludeLun ? { excludeLuns: options.excludeLun } : {}) };
      try {
        if (options.dryRun) {
          const { body: plan } = await api.call('POST', '/backups', wouldStartLine, { body, query: { dryRun: true } });
          out.line('wouldStart', plan, describePlan);
        } else {
          const { body: started } = await api.call('POST', '/backups', z.object({ jobId: z.string() }), { body });
          out.line('started', { ...started, vmId, vmName }, (row) => `${row.vmName}: job ${row.jobId}`);
          jobIds.push(started.jobId);
        }
      } catch (error) {
        const known = toCliError(error, context.signal);
        // With a single VM its error is the error; the same goes for what would strike all of them.
        if (chosen.length === 1 || !['conflict', 'failed', 'nothing', 'budget'].includes(known.exit)) throw error;
        refused.push(known.exit);
        const said = { vmId, vmName, code: known.details.code ?? known.exit, message: known.message };
        out.line(
          'skipped',
          { ...said, exitCode: exitCodes[known.exit].code },
          (row) => `${row.vmName}: ${row.message}`,
          out.paint.bad,
        );
      }
    }
    const followed = options.watch && jobIds.length > 0 ? await followJobs({ ...context, api }, jobIds) : undefined;
    if (refused.length === chosen.length) return refused[0];
    return refused.length > 0 ? 'partial' : followed;
  },
});

const matches = (
  tags: Readonly<Record<string, string>>,
  { tag, value }: { readonly tag: string; readonly value?: string },
): boolean =>
  Object.entries(tags).some(
    ([name, has]) => name.toLowerCase() === tag.toLowerCase() && (value === undefined || has === value),
  );

const describePlan = ({ vmName, disks }: z.output<typeof wouldStartLine>): string =>
  `${vmName}: would back up ${disks.map(({ lun, sizeBytes }) => `disk ${lun} (${bytes(sizeBytes)})`).join(', ')}`;
