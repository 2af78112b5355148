/**
 * The night of a large estate on paper: from how many VMs, how much data and how much time follow calls a second, proxies,
 * memory and cost, each beside the limit that it runs into. Pure: the same scenario gives the same table.
 */
import { limitsOfClouds, measuredHere, prices } from './constants';
import type { JobCounts } from './measured';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export interface Scenario {
  readonly vms: number;
  readonly regions: number;
  readonly subscriptions: number;
  readonly bytes: number;
  readonly disksPerVm: number;
  /** Share of the bytes that changes between two backups. */
  readonly changed: number;
  /** Share of changed bytes that no other block of the tenant and region equals. */
  readonly unique: number;
  readonly windowHours: number;
  /** A snapshot is usable after this long. */
  readonly snapshotSeconds: number;
}

export const largeEstate: Scenario = {
  vms: 10_000,
  regions: 20,
  subscriptions: 20,
  bytes: 1024 ** 5,
  disksPerVm: 2,
  changed: 0.02,
  unique: 0.8,
  windowHours: 8,
  snapshotSeconds: 60,
};

export interface Load {
  readonly what: string;
  readonly needed: number;
  readonly limit: number;
  readonly unit: string;
  /** What can be done when it is reached. */
  readonly wayOut: string;
}

export interface Night {
  readonly jobs: number;
  readonly windows: number;
  readonly readBytes: number;
  readonly storedBytes: number;
  readonly proxySeconds: number;
  readonly proxiesPerRegion: number;
  /** Sorted: what is nearest to its limit first. */
  readonly loads: readonly Load[];
  readonly costs: Readonly<Record<string, number>>;
}

export function night(scenario: Scenario, job: JobCounts): Night {
  const seconds = scenario.windowHours * 3600;
  const disks = scenario.vms * scenario.disksPerVm;
  const windowsPerDisk = Math.max(1, Math.ceil(scenario.bytes / disks / measuredHere.windowBytes));
  const windows = disks * windowsPerDisk;
  const auditBytes = windows * measuredHere.auditBlocksPerWindow * measuredHere.blockBytes;
  const changedBytes = scenario.bytes * scenario.changed;
  const readBytes = changedBytes + auditBytes;
  const newBytes = changedBytes * scenario.unique;
  const storedBytes = newBytes * measuredHere.storedOverNew;
  const cpuSeconds =
    (newBytes / MIB) * measuredHere.cpuSecondsPerNewMib +
    ((readBytes + storedBytes) / MIB) * measuredHere.cpuSecondsPerMovedMib;
  const proxySeconds =
    cpuSeconds / measuredHere.coresPerProxy + (windows * measuredHere.secondsPerWindow) / measuredHere.windowsAtATime;
  const proxiesPerRegion = Math.ceil(proxySeconds / seconds / scenario.regions);

  // Counted jobs had four windows and two disks; windows add a message, a fact and progress, polls add by time.
  const transferSeconds =
    (windowsPerDisk * scenario.disksPerVm * measuredHere.secondsPerWindow) / measuredHere.windowsAtATime;
  const polls = (scenario.snapshotSeconds + transferSeconds) / measuredHere.pollSeconds;
  const perJob = {
    activities: job.activities + polls,
    turns: job.turns + 2 * polls,
    armReads: job.armReads + (scenario.disksPerVm * scenario.snapshotSeconds) / measuredHere.pollSeconds,
    armWrites: job.armWrites,
    armDeletes: job.armDeletes,
    s3Reads: job.s3Reads + windowsPerDisk * scenario.disksPerVm * 4,
    s3Lists: job.s3Lists,
  };
  const rate = (count: number): number => (count * scenario.vms) / seconds;
  const perSubscription = (count: number): number => rate(count) / scenario.subscriptions;
  const s3Writes = (storedBytes / GIB) * measuredHere.s3WritesPerStoredGib + windows * 3 + scenario.vms * job.s3Writes;
  // Dispatch, the message's renewals and its end, and a report of progress each way.
  const queueOperations = windows * 8;
  const uniqueBlocksPerRegion = (scenario.bytes * scenario.unique) / measuredHere.blockBytes / scenario.regions;
  const indexBlocks =
    uniqueBlocksPerRegion > measuredHere.indexBlocksMax ? uniqueBlocksPerRegion / 64 : uniqueBlocksPerRegion;

  const loads: Load[] = [
    {
      what: 'durable activities',
      needed: rate(perJob.activities),
      limit: limitsOfClouds.durableActivitiesPerSecondPerPartition * limitsOfClouds.durablePartitionsDefault,
      unit: '/s',
      wayOut: 'more partitions (16), a Durable Task Scheduler, or a control plane a group of regions',
    },
    {
      what: 'durable turns',
      needed: rate(perJob.turns),
      limit: limitsOfClouds.durableTurnsPerSecondPerPartition * limitsOfClouds.durablePartitionsDefault,
      unit: '/s',
      wayOut: 'more partitions (16), a Durable Task Scheduler, or a control plane a group of regions',
    },
    {
      what: 'ARM reads a subscription',
      needed: perSubscription(perJob.armReads),
      limit: limitsOfClouds.armReadsPerSecond,
      unit: '/s',
      wayOut: 'a longer poll interval, a longer window, more subscriptions',
    },
    {
      what: 'ARM writes a subscription',
      needed: perSubscription(perJob.armWrites),
      limit: limitsOfClouds.armWritesPerSecond,
      unit: '/s',
      wayOut: 'a longer window, more subscriptions',
    },
    {
      what: 'ARM deletes a subscription',
      needed: perSubscription(perJob.armDeletes),
      limit: limitsOfClouds.armDeletesPerSecond,
      unit: '/s',
      wayOut: 'a longer window, more subscriptions',
    },
    {
      what: "messages of one region's queue",
      needed: queueOperations / seconds / scenario.regions,
      limit: limitsOfClouds.queueMessagesPerSecond,
      unit: '/s',
      wayOut: 'larger windows',
    },
    {
      what: 'requests of the storage account',
      needed: queueOperations / seconds + rate(perJob.activities * 6 + perJob.turns * 6),
      limit: limitsOfClouds.storageRequestsPerSecond,
      unit: '/s',
      wayOut: 'a storage account for the queues of its own',
    },
    {
      what: 'data proxies a region (instances of 4 GiB)',
      needed: proxiesPerRegion,
      limit: limitsOfClouds.flexInstancesPerRegion,
      unit: '',
      wayOut: 'a raised quota, or the fleet scale-set',
    },
    {
      what: 'S3 writes a pack prefix',
      needed: s3Writes / seconds / limitsOfClouds.packPrefixes,
      limit: limitsOfClouds.s3WritesPerSecondPerPrefix,
      unit: '/s',
      wayOut: 'S3 splits hot prefixes by itself',
    },
    {
      what: 'S3 reads and lists of sessions (one prefix)',
      needed: rate(perJob.s3Reads + perJob.s3Lists),
      limit: limitsOfClouds.s3ReadsPerSecondPerPrefix,
      unit: '/s',
      wayOut: 'S3 splits hot prefixes by itself; a tenant a group of VMs',
    },
    {
      what: 'STS role assumptions',
      needed: rate(job.stsCalls) + (proxiesPerRegion * scenario.regions) / 3000,
      limit: limitsOfClouds.stsPerSecond,
      unit: '/s',
      wayOut: 'longer sessions',
    },
    {
      what: 'index memory of a proxy',
      needed: (indexBlocks * measuredHere.indexBytesPerBlock) / GIB,
      limit: 3,
      unit: ' GiB',
      wayOut: 'sampling (it is counted in where the full index does not fit), a tenant a group of VMs',
    },
  ];
  return {
    jobs: scenario.vms,
    windows,
    readBytes,
    storedBytes,
    proxySeconds,
    proxiesPerRegion,
    loads: loads.sort((a, b) => b.needed / b.limit - a.needed / a.limit),
    costs: {
      'egress from Azure': (storedBytes / GIB) * prices.azureEgressPerGib,
      'data proxies': proxySeconds * 4 * prices.flexPerGibSecond,
      'control plane': ((perJob.activities + perJob.turns) * scenario.vms * prices.flexPerMillionExecutions) / 1e6,
      'queues and tables':
        (queueOperations * prices.queuePerMillionOperations) / 1e6 +
        (scenario.vms * 200 * prices.tablePerMillionOperations) / 1e6,
      'S3 writes':
        (s3Writes * prices.s3PutPerThousand) / 1000 + (scenario.vms * perJob.s3Lists * prices.s3PutPerThousand) / 1000,
      'S3 reads': (scenario.vms * perJob.s3Reads * prices.s3GetPerThousand) / 1000,
    },
  };
}
