import { defineCommand } from '../command';
import { statusReply, vmStatusLine } from '../lines/vm-status';

export const coverageCommand = defineCommand({
  name: 'coverage',
  summary: 'every virtual machine: protected by which policy, excluded by which rule, or unprotected and why',
  examples: [
    { run: 'blockferry coverage', does: 'all of them, unprotected first' },
    {
      run: 'blockferry coverage --json | jq -r \'select(.state == "unprotected") | [.vmName, .reasons[]] | @tsv\'',
      does: 'for a spreadsheet',
    },
  ],
  reach: ['api'],
  lines: { vm: vmStatusLine },
  run: async ({ out, api }) => {
    const { items } = await (await api()).get('/status', statusReply);
    out.rows(
      'vm',
      items,
      [
        { title: 'VM', of: ({ vmName }) => vmName },
        { title: 'STATE', of: ({ state }) => state },
        { title: 'POLICIES', of: ({ policies }) => policies.join(', ') || 'none' },
        { title: 'WHY', of: ({ reasons }) => reasons.join('; ') },
      ],
      'no virtual machine in the subscriptions that are served',
    );
    return items.some(({ state }) => state === 'unprotected') ? 'attention' : undefined;
  },
});
