import { defineCommand } from '../command';
import { followLines } from '../follow-job';
import { flag, luns, optionalText } from '../option-values';
import { plannedLine, pointArgument, restoreDisks, startedLine } from '../restore-disks';

export const restoreImageCommand = defineCommand({
  name: 'restore image',
  summary: 'disks of a restore point into raw image files',
  description:
    'The files are made where the installation keeps images (BLOCKFERRY_IMAGE_DIRECTORY). Nothing that exists is written over.',
  examples: [
    { run: 'blockferry restore image p-b-20260301-020000-8f1a6c527d0e4b3c --watch', does: 'all disks' },
    { run: 'blockferry restore image latest --vm web --lun os', does: 'one disk of the newest point' },
  ],
  reach: ['api'],
  arguments: { point: pointArgument },
  options: {
    vm: { flags: '--vm <name>', says: 'whose newest point, with `latest`', value: optionalText, complete: 'vm' },
    lun: { flags: '--lun <lun...>', says: 'only these disks: os, or LUNs', value: luns },
    dryRun: { flags: '-n, --dry-run', says: 'start nothing, and say what would be', value: flag },
    watch: { flags: '-w, --watch', says: 'stay until the job has ended', value: flag },
  },
  lines: { ...followLines, started: startedLine, planned: plannedLine },
  run: (context) => restoreDisks(context, { kind: 'image' }),
});
