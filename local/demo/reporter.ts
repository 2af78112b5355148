/** What the demo says while it runs: for people (a live line on a terminal, plain lines elsewhere) or for machines. */
import { styleText } from 'node:util';
import type { JobView } from './api-client';
import { formatBytes, formatRate } from './format';

export interface Reporter {
  /** A new part of the demo begins. */
  step(title: string): void;
  note(text: string): void;
  /** The jobs under way; called about four times a second. */
  progress(jobs: readonly JobView[]): void;
  /** The end: `summary` for machines, `table` for people. */
  summary(summary: Readonly<Record<string, unknown>>, table: string): void;
  /** The end when there is nothing to sum up. People read it on stderr, from whoever calls this. */
  failure(message: string): void;
}

/** Machines: one JSON object a line on stdout, the last one has type "summary". */
export function createJsonReporter(write: (text: string) => void): Reporter {
  const line = (type: string, value: Readonly<Record<string, unknown>>): void =>
    write(`${JSON.stringify({ type, at: new Date().toISOString(), ...value })}\n`);
  const lastStates = new Map<string, string>();
  return {
    step: (title) => line('step', { title }),
    note: (text) => line('note', { text }),
    progress: (jobs) => {
      for (const job of jobs) {
        const { id, kind, vmName, status, phase, progress } = job;
        const state = `${status} ${phase} ${progress?.bytesDone ?? 0}`;
        if (lastStates.get(id) === state) continue;
        lastStates.set(id, state);
        line('progress', { jobId: id, kind, vmName, status, phase, ...progress });
      }
    },
    summary: (summary) => line('summary', summary),
    failure: (message) => line('summary', { ok: false, problems: [message] }),
  };
}

const PLAIN_EVERY_MS = 2000;

/** People. `columns`: the width of the terminal, undefined when it is none. */
export function createHumanReporter(write: (text: string) => void, columns: () => number | undefined): Reporter {
  let live = false;
  let lastPlainAt = 0;
  let lastPlain = '';
  const clear = (): void => {
    if (live) write('\r\x1b[K');
    live = false;
  };
  const line = (text: string): void => {
    clear();
    write(`${text}\n`);
  };
  return {
    step: (title) => line(`\n${columns() === undefined ? `== ${title}` : styleText('bold', `== ${title}`)}`),
    note: (text) => line(`   ${text}`),
    progress: (jobs) => {
      const text = describeProgress(jobs);
      const width = columns();
      if (width !== undefined) {
        write(`\r\x1b[K${text.slice(0, width - 1)}`);
        live = true;
        return;
      }
      const ended = jobs.every((job) => job.status !== 'running');
      if (text === lastPlain || (!ended && Date.now() - lastPlainAt < PLAIN_EVERY_MS)) return;
      lastPlain = text;
      lastPlainAt = Date.now();
      line(text);
    },
    summary: (_summary, table) => line(`\n${table}`),
    failure: clear,
  };
}

/** One line for all jobs: phase of each, then the sum of bytes, rate, and how much was known already. */
export function describeProgress(jobs: readonly JobView[]): string {
  const sum = (pick: (job: JobView) => number | undefined): number =>
    jobs.reduce((total, job) => total + (pick(job) ?? 0), 0);
  const done = sum((job) => job.progress?.bytesDone);
  const total = sum((job) => job.progress?.bytesTotal);
  const rate = sum((job) => (job.status === 'running' ? job.progress?.rateBytesPerSecond : 0));
  const states = jobs.map((job) => `${job.vmName} ${job.status === 'running' ? job.phase : job.status}`).join(' | ');
  const read = sum((job) => job.stats?.readBytes);
  const known = sum((job) => job.stats?.dedupBytes);
  const dedup = read > 0 ? `  dedup so far ${Math.round((100 * known) / read)} %` : '';
  const percent = total > 0 ? `${Math.round((100 * done) / total)} %` : '';
  return `   ${states}  ${formatBytes(done)} of ${formatBytes(total)} ${percent}  ${formatRate(rate)}${dedup}`;
}
