import { z } from 'zod';
import { defineCommand } from '../command';
import { jobLine } from '../lines/job';
import { flag, text } from '../option-values';
import { instant } from '../text';

const logLine = z.object({
  at: z.string(),
  level: z.enum(['info', 'warn', 'error']),
  message: z.string(),
  code: z.string().optional(),
});
const POLL_MS = 2000;

export const jobsLogCommand = defineCommand({
  name: 'jobs log',
  summary: 'what happened in a job, line by line',
  examples: [
    { run: 'blockferry jobs log b-20260301-020000-8f1a6c527d0e4b3c', does: 'phases, windows, notes, errors' },
    { run: 'blockferry jobs log JOB --follow', does: 'and what comes, until the job has ended' },
  ],
  reach: ['api'],
  arguments: { job: { usage: '<job>', says: 'id of the job', value: text, complete: 'job' } },
  options: { follow: { flags: '-f, --follow', says: 'stay until the job has ended', value: flag } },
  lines: { line: logLine },
  run: async ({ args, options, out, api, sleep, signal }) => {
    const client = await api();
    const path = `/jobs/${encodeURIComponent(args.job)}`;
    const paints = { info: (words: string) => words, warn: out.paint.warn, error: out.paint.bad };
    let after: string | undefined;
    for (;;) {
      // The state before the lines: what is written while we ask is in the lines, or there is another round.
      const ended = !options.follow || (await client.get(path, jobLine)).status !== 'running';
      const { items } = await client.get(`${path}/log`, z.object({ items: z.array(logLine) }), { after });
      for (const item of items) {
        out.line('line', item, ({ at, message }) => `${instant(at)}  ${message}`, paints[item.level]);
        after = item.at;
      }
      if (ended) return undefined;
      await sleep(POLL_MS);
      signal.throwIfAborted();
    }
  },
});
