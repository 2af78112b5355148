import { defineCommand } from '../command';
import { policyFields, policyLine } from '../lines/policy';
import { text } from '../option-values';

export const policyShowCommand = defineCommand({
  name: 'policy show',
  summary: 'one policy in full',
  examples: [
    { run: 'blockferry policy show gold', does: 'what it selects, when it runs, how long it keeps' },
    { run: 'blockferry policy show gold --json', does: 'for programs' },
  ],
  reach: ['api'],
  arguments: { name: { usage: '<name>', says: 'name of the policy', value: text, complete: 'policy' } },
  lines: { policy: policyLine },
  run: async ({ args, out, api, nowMs }) => {
    const policy = await (await api()).get(`/policies/${encodeURIComponent(args.name)}`, policyLine);
    out.record('policy', policy, (row) => policyFields(row, nowMs()));
    return undefined;
  },
});
