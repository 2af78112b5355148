import { z } from 'zod';
import type { ApiClient } from '../api-client';
import { defineCommand } from '../command';
import { type Candidate, candidatesFor, FILES, type LookUp } from '../completion';
import { plain } from '../text';

/** A person waits at the tab key. */
const LOOK_UP_MS_MAX = 2000;
const NAMES_MAX = 100;

const item = z.object({ id: z.string().optional(), name: z.string().optional(), vmName: z.string().optional() });

export const completeCommand = defineCommand({
  name: 'complete',
  summary: 'what may come next, for the completion scripts',
  examples: [{ run: "blockferry complete -- jobs ''", does: 'a candidate and a remark a line' }],
  hidden: true,
  reach: ['api'],
  arguments: {
    words: { usage: '[words...]', says: 'the words so far, the last one being typed', value: z.array(z.string()) },
  },
  lines: {},
  run: async ({ args, out, api, program }) => {
    const found = await candidatesFor(args.words, program.commands, lookUpThrough(api));
    const lines = found === FILES ? [':files'] : found.map(({ value, about }) => `${plain(value)}\t${plain(about)}`);
    if (lines.length > 0) out.document(lines.join('\n'));
    return undefined;
  },
});

/** No answer is no candidate: a completion never complains. */
function lookUpThrough(api: () => Promise<ApiClient>): LookUp {
  const paths = { vm: '/vms', policy: '/policies', job: '/jobs', point: '/restore-points' } as const;
  return async (kind) => {
    const timeout = new Promise<readonly Candidate[]>((resolve) => {
      setTimeout(resolve, LOOK_UP_MS_MAX, []).unref();
    });
    const names = async (): Promise<readonly Candidate[]> => {
      const found: Candidate[] = [];
      for await (const { id, name, vmName } of (await api()).pages(paths[kind], item)) {
        found.push({ value: name ?? id ?? '', about: vmName ?? '' });
        if (found.length >= NAMES_MAX) break;
      }
      return found;
    };
    return Promise.race([names().catch(() => []), timeout]);
  };
}
