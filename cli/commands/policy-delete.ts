import { z } from 'zod';
import { usageError } from '../cli-error';
import { defineCommand } from '../command';
import { policyLine } from '../lines/policy';
import { optionalText, text } from '../option-values';

export const policyDeleteCommand = defineCommand({
  name: 'policy delete',
  summary: 'remove a policy; its restore points stay',
  description:
    'What the policy protected is not backed up by it any more. Its restore points stay, and nothing expires them. The policy is\n' +
    'deleted only as it was when it was looked at: somebody else’s change in between is a conflict (exit code 11).',
  examples: [
    {
      run: 'blockferry policy delete gold --confirm gold',
      does: 'the name once more, so that no slip of the hand does it',
    },
  ],
  reach: ['api'],
  arguments: { name: { usage: '<name>', says: 'name of the policy', value: text, complete: 'policy' } },
  options: { confirm: { flags: '--confirm <name>', says: 'the name once more', value: optionalText } },
  lines: { deleted: z.object({ name: z.string() }) },
  run: async ({ args, options, out, api }) => {
    const client = await api();
    const path = `/policies/${encodeURIComponent(args.name)}`;
    const { headers, body } = await client.call('GET', path, policyLine);
    if (options.confirm !== args.name) {
      throw usageError(`policy ${body.name} at ${client.url} would be deleted`, `give --confirm ${args.name}`);
    }
    const etag = headers.get('etag');
    await client.call('DELETE', path, z.unknown(), etag === null ? {} : { headers: { 'if-match': etag } });
    out.line('deleted', { name: args.name }, ({ name }) => `policy ${name} is deleted`);
    return undefined;
  },
});
