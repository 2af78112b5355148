import { z } from 'zod';
import { defineCommand } from '../command';
import { listVms } from '../find-vm';
import { vmLine } from '../lines/vm';
import { age, bytes } from '../text';

export const vmsCommand = defineCommand({
  name: 'vms',
  summary: 'virtual machines, what protects them, how fresh they are',
  examples: [
    { run: 'blockferry vms', does: 'every VM of the subscriptions that are served' },
    { run: 'blockferry vms --unprotected', does: 'only those that no policy selects' },
    { run: "blockferry vms --json | jq -r 'select(.lastPoint == null).name'", does: 'names without a restore point' },
  ],
  reach: ['api'],
  watchable: true,
  options: {
    unprotected: {
      flags: '--unprotected',
      says: 'only VMs that no enabled policy selects',
      value: z.boolean().default(false),
    },
  },
  lines: { vm: vmLine },
  run: async ({ options, out, api, nowMs }) => {
    const items = await listVms(await api());
    const shown = options.unprotected ? items.filter(({ policies }) => policies.length === 0) : items;
    out.rows(
      'vm',
      shown,
      [
        { title: 'NAME', of: ({ name }) => name },
        { title: 'REGION', of: ({ region }) => region },
        { title: 'DISKS', of: ({ disks }) => disks, align: 'right' },
        { title: 'SIZE', of: ({ sizeBytes }) => bytes(sizeBytes), align: 'right' },
        { title: 'POLICIES', of: ({ policies }) => policies.join(', ') || 'none' },
        { title: 'LAST POINT', of: ({ lastPoint }) => (lastPoint ? age(lastPoint.createdAt, nowMs()) : 'never') },
      ],
      items.length === 0
        ? 'no virtual machine in the subscriptions that are served'
        : 'every virtual machine has a policy',
    );
    return undefined;
  },
});
