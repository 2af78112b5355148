import { z } from 'zod';
import { defineCommand } from '../command';
import { completionScripts, shells } from '../completion-scripts';

export const completionCommand = defineCommand({
  name: 'completion',
  summary: 'script that teaches a shell the commands, options and names',
  examples: [
    {
      run: 'source <(blockferry completion bash)',
      does: 'bash and zsh, for this session; put it into .bashrc or .zshrc for all',
    },
    { run: 'blockferry completion fish > ~/.config/fish/completions/blockferry.fish', does: 'fish, for all sessions' },
  ],
  arguments: {
    shell: { usage: '<shell>', says: shells.join(', '), value: z.enum(shells), complete: shells },
  },
  lines: {},
  run: async ({ args, out }) => {
    out.document(completionScripts[args.shell]);
    return undefined;
  },
});
