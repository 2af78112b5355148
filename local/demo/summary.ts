/** The figures at the end. Pure. */
import { addStats, emptyStats, type TransferStats } from '../../shared/model/transfer';
import type { JobView } from './api-client';
import type { Comparison } from './compare';
import { formatBytes, formatRatio, formatSeconds, formatTable } from './format';
import { countOrphans, type Leftovers } from './leftovers';
import type { Killable } from './options';

/** One round of jobs. */
export interface RoundResult {
  readonly name: string;
  readonly jobs: readonly JobView[];
  readonly ms: number;
  /** Bytes that left the simulated disks meanwhile, by the simulator's own log. */
  readonly wireReadBytes: number;
}

export interface DemoResult {
  readonly rounds: readonly RoundResult[];
  readonly comparisons: readonly Comparison[];
  /** Bytes that changed in the images between the two backups, in pages of 4 KiB. */
  readonly changedInImagesBytes: number;
  readonly leftovers: Leftovers;
  readonly s3Requests: Readonly<Record<string, number>>;
  readonly killed: readonly Killable[];
  readonly notKilled: readonly Killable[];
  readonly totalMs: number;
}

/** Everything that is not as it should be, one sentence each; empty when the demo has succeeded. */
export function findProblems(result: DemoResult): string[] {
  const jobs = result.rounds.flatMap((round) => round.jobs);
  const orphans = countOrphans(result.leftovers);
  return [
    ...jobs
      .filter((job) => job.status !== 'succeeded')
      .map((job) => `${job.kind} of ${job.vmName} ${job.status}: ${job.error?.message ?? ''}`),
    ...result.comparisons.flatMap(({ disk, restoredAs, problems }) =>
      problems.map((text) => `${disk} as ${restoredAs}: ${text}`),
    ),
    ...readsTooMuch(result),
    ...(result.comparisons.length === 0 ? ['nothing was compared'] : []),
    ...(orphans > 0 ? [`${orphans} left over: ${JSON.stringify(result.leftovers)}`] : []),
    ...result.notKilled.map((part) => `${part} was not killed: the jobs were over too soon`),
  ];
}

/** The size of a disk is asked for with a small read per window; nothing else may come on top. */
const SIZE_READS_BYTES_MAX = 256 * 1024;

/** Against the simulator's own log. After a kill windows are rightly read again. */
function readsTooMuch(result: DemoResult): string[] {
  if (result.killed.length > 0) return [];
  return result.rounds.flatMap((round) => {
    const { changedBytes, auditBytes } = statsOf(round);
    const allowed = changedBytes + auditBytes + SIZE_READS_BYTES_MAX;
    if (round.wireReadBytes <= allowed) return [];
    return [`${round.name}: ${round.wireReadBytes} bytes were read from the disks, ${allowed} were to be expected`];
  });
}

export function summarize(result: DemoResult) {
  const problems = findProblems(result);
  return {
    ok: problems.length === 0,
    problems,
    rounds: result.rounds.map((round) => ({
      name: round.name,
      jobs: round.jobs.length,
      seconds: round.ms / 1000,
      wireReadBytes: round.wireReadBytes,
      ...statsOf(round),
    })),
    changedInImagesBytes: result.changedInImagesBytes,
    comparisons: result.comparisons,
    s3Requests: result.s3Requests,
    leftovers: result.leftovers,
    orphans: countOrphans(result.leftovers),
    killed: result.killed,
    seconds: result.totalMs / 1000,
  };
}

export function describeResult(result: DemoResult): string {
  const rows = [
    ['', 'jobs', 'logical', 'read', 'new', 'stored', 'logical:read', 'new:stored', 'time'],
    ...result.rounds.map((round) => {
      const { logicalBytes, readBytes, newBytes, storedBytes } = statsOf(round);
      return [
        round.name,
        String(round.jobs.length),
        formatBytes(logicalBytes),
        formatBytes(readBytes),
        formatBytes(newBytes),
        formatBytes(storedBytes),
        formatRatio(logicalBytes, readBytes),
        formatRatio(newBytes, storedBytes),
        formatSeconds(round.ms),
      ];
    }),
  ];
  const compared = result.comparisons.map((comparison) => [
    comparison.disk,
    comparison.restoredAs,
    formatBytes(comparison.bytes),
    comparison.filesCompared > 0 ? `${comparison.filesCompared} files` : '',
    comparison.judges.join(', '),
    comparison.problems.length === 0 ? 'identical' : comparison.problems.join('; '),
  ]);
  const { leftovers } = result;
  const requests = Object.values(result.s3Requests).reduce((sum, count) => sum + count, 0);
  const problems = findProblems(result);
  return [
    formatTable(rows),
    '',
    formatTable(compared),
    '',
    `changed in the images between the backups: ${formatBytes(result.changedInImagesBytes)}`,
    `S3 requests: ${requests} (${Object.entries(result.s3Requests)
      .map(([name, count]) => `${name.replace('s3.', '')} ${count}`)
      .join(', ')})`,
    `left in Azure: ${leftovers.snapshots} snapshots (the base of the next incremental of each disk), ${leftovers.activeAccesses} active SAS`,
    `data proxies left: ${leftovers.dataProxies}, orphans: ${countOrphans(leftovers)}`,
    `all of it: ${formatSeconds(result.totalMs)}`,
    '',
    ...(problems.length === 0
      ? ['Everything came back as it was.']
      : ['FAILED:', ...problems.map((text) => `  ${text}`)]),
  ].join('\n');
}

const statsOf = (round: RoundResult): TransferStats =>
  round.jobs.reduce((sum, job) => addStats(sum, job.stats ?? emptyStats), emptyStats);
