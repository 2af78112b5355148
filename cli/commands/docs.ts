import { defineCommand } from '../command';
import { documentOf } from '../document';

export const docsCommand = defineCommand({
  name: 'docs',
  summary: 'docs/cli.md, made from the commands',
  examples: [{ run: 'blockferry docs > docs/cli.md', does: 'after a command was changed' }],
  hidden: true,
  lines: {},
  run: async ({ out, program }) => {
    out.document(documentOf(program.commands));
    return undefined;
  },
});
