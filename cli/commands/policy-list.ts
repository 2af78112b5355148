import type { z } from 'zod';
import { defineCommand } from '../command';
import { policyColumns, policyLine } from '../lines/policy';

export const policyListCommand = defineCommand({
  name: 'policy list',
  summary: 'policies, when they run next, how they ran last',
  examples: [{ run: 'blockferry policy list', does: 'all of them' }],
  reach: ['api'],
  watchable: true,
  lines: { policy: policyLine },
  run: async ({ out, api, nowMs }) => {
    const items: z.output<typeof policyLine>[] = [];
    for await (const policy of (await api()).pages('/policies', policyLine)) items.push(policy);
    out.rows('policy', items, policyColumns(nowMs()), 'no policies; `blockferry policy apply FILE` makes one');
    return undefined;
  },
});
