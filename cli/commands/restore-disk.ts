import { z } from 'zod';
import { defineCommand } from '../command';
import { followLines } from '../follow-job';
import { flag, luns, optionalText, text } from '../option-values';
import { plannedLine, pointArgument, restoreDisks, startedLine } from '../restore-disks';

export const restoreDiskCommand = defineCommand({
  name: 'restore disk',
  summary: 'disks of a restore point into new managed disks',
  description: 'The disks are new and attached to nothing. Nothing that exists is written over.',
  examples: [
    {
      run: 'blockferry restore disk latest --vm web --resource-group restored --watch',
      does: 'all disks of the newest point, beside the VM',
    },
    {
      run: 'blockferry restore disk p-b-20260301-020000-8f1a6c527d0e4b3c --resource-group drill --region northeurope --dry-run',
      does: 'what would be made, elsewhere',
    },
  ],
  reach: ['api'],
  arguments: { point: pointArgument },
  options: {
    vm: { flags: '--vm <name>', says: 'whose newest point, with `latest`', value: optionalText, complete: 'vm' },
    lun: { flags: '--lun <lun...>', says: 'only these disks: os, or LUNs', value: luns },
    resourceGroup: {
      flags: '--resource-group <name>',
      says: 'where the disks go',
      value: z.string({ error: 'is needed' }).pipe(text),
    },
    prefix: { flags: '--prefix <text>', says: 'first part of their names', value: optionalText },
    subscription: { flags: '--subscription <id>', says: "another subscription than the VM's", value: optionalText },
    region: { flags: '--region <name>', says: "another region than the VM's", value: optionalText },
    dryRun: { flags: '-n, --dry-run', says: 'start nothing, and say what would be', value: flag },
    watch: { flags: '-w, --watch', says: 'stay until the job has ended', value: flag },
  },
  lines: { ...followLines, started: startedLine, planned: plannedLine },
  run: (context) => {
    const { resourceGroup, prefix, subscription, region } = context.options;
    return restoreDisks(context, { kind: 'disk', resourceGroup, namePrefix: prefix, subscription, region });
  },
});
