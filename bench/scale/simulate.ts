/**
 * One region's night, second by second: jobs start as the schedule spreads them, take what the token buckets of ARM give, wait
 * for their snapshots, and share the proxies. Paper says whether the mean fits; this says how long the tail is when a
 * thousand policies say two o'clock.
 */
import { seededNumbers } from '../kit/random';
import { limitsOfClouds, measuredHere } from './constants';
import type { JobCounts } from './measured';
import type { Night, Scenario } from './model';

export interface SimulatedNight {
  /** Seconds from the first slot to the last job's end. */
  readonly lastEndSeconds: number;
  readonly waitedForArmSecondsMax: number;
  readonly queueMax: number;
  readonly proxiesBusyMax: number;
}

interface Job {
  readonly startsAt: number;
  armReadsLeft: number;
  armWritesLeft: number;
  waited: number;
  usableAt: number;
  workLeft: number;
}

/** `spreadSeconds`: starts are spread evenly at random over so long. */
export function simulateRegion(
  scenario: Scenario,
  paper: Night,
  job: JobCounts,
  spreadSeconds: number,
  proxies: number,
): SimulatedNight {
  const below = seededNumbers(`scale ${spreadSeconds} ${proxies}`);
  const count = Math.round(scenario.vms / scenario.regions);
  const workSeconds = paper.proxySeconds / scenario.vms;
  const jobs: Job[] = Array.from({ length: count }, () => ({
    startsAt: spreadSeconds === 0 ? 0 : below(spreadSeconds),
    armReadsLeft: job.armReads,
    armWritesLeft: job.armWrites + job.armDeletes,
    waited: 0,
    usableAt: Number.POSITIVE_INFINITY,
    workLeft: workSeconds,
  })).sort((a, b) => a.startsAt - b.startsAt);
  // Regions and subscriptions are taken as one to one; more subscriptions a region only help.
  let reads: number = limitsOfClouds.armReadBurst;
  let writes: number = limitsOfClouds.armWriteBurst;
  const result = { lastEndSeconds: 0, waitedForArmSecondsMax: 0, queueMax: 0, proxiesBusyMax: 0 };
  let open = jobs;
  const secondsMax = 7 * 24 * 3600;
  for (let now = 0; now < secondsMax && open.length > 0; now++) {
    reads = Math.min(limitsOfClouds.armReadBurst, reads + limitsOfClouds.armReadsPerSecond);
    writes = Math.min(limitsOfClouds.armWriteBurst, writes + limitsOfClouds.armWritesPerSecond);
    for (const one of open) {
      if (one.startsAt > now) break;
      const takenReads = Math.min(reads, one.armReadsLeft);
      const takenWrites = Math.min(writes, one.armWritesLeft);
      reads -= takenReads;
      writes -= takenWrites;
      one.armReadsLeft -= takenReads;
      one.armWritesLeft -= takenWrites;
      if (one.armReadsLeft + one.armWritesLeft > 0) one.waited++;
      else if (one.usableAt === Number.POSITIVE_INFINITY) one.usableAt = now + scenario.snapshotSeconds;
    }
    const ready = open.filter(({ usableAt }) => usableAt <= now);
    const places = proxies * measuredHere.windowsAtATime;
    const share = Math.min(1, places / Math.max(1, ready.length * scenario.disksPerVm));
    for (const one of ready) one.workLeft -= (share * scenario.disksPerVm) / measuredHere.windowsAtATime;
    result.queueMax = Math.max(result.queueMax, ready.length);
    result.proxiesBusyMax = Math.max(
      result.proxiesBusyMax,
      Math.min(proxies, Math.ceil((ready.length * scenario.disksPerVm) / measuredHere.windowsAtATime)),
    );
    for (const one of ready) {
      if (one.workLeft > 0) continue;
      result.lastEndSeconds = now + 1;
      result.waitedForArmSecondsMax = Math.max(result.waitedForArmSecondsMax, one.waited);
    }
    open = open.filter(({ workLeft }) => workLeft > 0);
  }
  return result;
}
