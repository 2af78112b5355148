/** GET /api/metrics for Prometheus. Gauges of what is true now; a scrape costs some table reads per VM, so once a minute is plenty. */
import { boundedMap } from '../base/bounded-map';
import { parseArmId } from '../model/ids';
import type { Job } from '../model/job';
import { type Family, prometheusText, prometheusType } from '../observe/prometheus';
import { vmStates } from '../observe/vm-status';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { type FleetView, fleetView, type VmView } from './fleet-status';
import { defineRoute } from './route';
import { readers } from './schemas';

export const getMetrics = defineRoute({
  name: 'getMetrics',
  method: 'GET',
  path: 'metrics',
  area: 'Service',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'Metrics in the text format of Prometheus',
  description: 'Only of VMs in the scope of the caller. docs/observability.md lists them.',
  replies: { 200: { description: 'The metrics', media: prometheusType } },
  handler: async ({ caller }, deps) => {
    const [fleet, jobs, orphans] = await Promise.all([
      fleetView(deps, caller),
      recentJobs(deps, caller),
      orphanCount(deps),
    ]);
    const rates = await boundedMap(
      jobs.filter(({ status }) => status === 'running'),
      PROGRESS_AT_ONCE,
      async ({ id }) => (await deps.catalog.jobs.progress(id)).rateBytesPerSecond,
    );
    const nowMs = deps.clock.now();
    const families = [...vmFamilies(fleet, nowMs), ...jobFamilies(jobs, rates), ...partFamilies(fleet, orphans, nowMs)];
    return { status: 200, headers: { 'content-type': prometheusType }, raw: prometheusText(families) };
  },
});

const PROGRESS_AT_ONCE = 8;
const DAY_MS = 86_400_000;
const JOBS_SEEN_MAX = 5000;
const PAGE = 200;
/** A job closes its intents when it ends, and the janitor what it left: what is older is forgotten by both. */
const ORPHAN_AFTER_MS = 6 * 3600_000;

/** Those that run, and those of the last day. */
async function recentJobs({ catalog, clock }: ApiDependencies, caller: Pick<Caller, 'scopes'>): Promise<Job[]> {
  const found: Job[] = [];
  let cursor: string | undefined;
  do {
    const page = await catalog.jobs.list({ limit: PAGE, cursor });
    found.push(...page.items);
    const oldest = page.items.at(-1);
    if (oldest !== undefined && clock.now() - Date.parse(oldest.createdAt) > DAY_MS) break;
    cursor = page.nextCursor;
  } while (cursor !== undefined && found.length < JOBS_SEEN_MAX);
  return found.filter(
    ({ vmId, status, createdAt }) =>
      inScope(caller, vmId) && (status === 'running' || clock.now() - Date.parse(createdAt) <= DAY_MS),
  );
}

/** What a job made in a cloud, is no base of a disk, and nobody has taken back although its job ended long ago. */
async function orphanCount({ catalog, clock }: ApiDependencies): Promise<number> {
  const old = (await catalog.intents.list()).filter(
    ({ recordedAt }) => clock.now() - Date.parse(recordedAt) > ORPHAN_AFTER_MS,
  );
  const ended = await boundedMap(old, PROGRESS_AT_ONCE, async ({ jobId, kind }) => {
    const job = await catalog.jobs.read(jobId);
    // The snapshot of the newest point stays on purpose: the next backup is taken against it.
    return job?.status !== 'running' && !(kind === 'snapshot' && job?.status === 'succeeded');
  });
  return ended.filter(Boolean).length;
}

function vmFamilies({ vms }: FleetView, nowMs: number): Family[] {
  const gauge = (name: string, help: string, of: (vm: VmView) => number | undefined): Family => ({
    name: `blockferry_vm_${name}`,
    type: 'gauge',
    help,
    samples: vms.flatMap((vm) => {
      const value = of(vm);
      return value === undefined ? [] : [{ labels: labelsOf(vm), value }];
    }),
  });
  const age = (at: string | undefined): number | undefined =>
    at === undefined ? undefined : (nowMs - Date.parse(at)) / 1000;
  return [
    gauge('last_point_age_seconds', 'Age of the newest restore point', (vm) => age(vm.lastPointAt)),
    gauge('last_verified_point_age_seconds', 'Age of the newest restore point that was verified', (vm) =>
      age(vm.lastVerifiedAt),
    ),
    gauge(
      'rpo_gap_seconds',
      'How much older the newest restore point is than its policy allows',
      (vm) => vm.status.rpoGapSeconds,
    ),
    {
      name: 'blockferry_vm_state',
      type: 'gauge',
      help: '1 for the state of the VM, 0 for the others',
      samples: vms.flatMap((vm) =>
        vmStates.map((state) => ({ labels: { ...labelsOf(vm), state }, value: vm.status.state === state ? 1 : 0 })),
      ),
    },
  ];
}

function labelsOf({ machine }: VmView): Record<string, string> {
  const { subscription, resourceGroup } = parseArmId(machine.id);
  return { vm: machine.name, resource_group: resourceGroup, subscription, region: machine.region };
}

function jobFamilies(jobs: readonly Job[], rates: readonly number[]): Family[] {
  const day = (name: string, help: string, of: (job: Job) => number): Family => ({
    name: `blockferry_day_${name}`,
    type: 'gauge',
    help: `${help}, by jobs started in the last 24 hours`,
    samples: (['backup', 'restore'] as const).map((kind) => ({
      labels: { kind },
      value: jobs.filter((job) => job.kind === kind).reduce((sum, job) => sum + of(job), 0),
    })),
  });
  return [
    {
      name: 'blockferry_jobs',
      type: 'gauge',
      help: 'Jobs that run now, and those started in the last 24 hours by how they ended',
      samples: (['running', 'succeeded', 'failed', 'canceled'] as const).map((status) => ({
        labels: { status },
        value: jobs.filter((job) => job.status === status).length,
      })),
    },
    {
      name: 'blockferry_throughput_bytes_per_second',
      type: 'gauge',
      help: 'What the running jobs read or write together',
      samples: [{ value: rates.reduce((sum, rate) => sum + rate, 0) }],
    },
    day('read_bytes', 'Bytes read from snapshots or written to targets', ({ stats }) => stats?.readBytes ?? 0),
    day('stored_bytes', 'Bytes written to S3', ({ stats }) => stats?.storedBytes ?? 0),
    day('store_requests', 'Requests to S3', ({ stats }) => (stats?.storeReads ?? 0) + (stats?.storeWrites ?? 0)),
  ];
}

function partFamilies({ heartbeats, doubts }: FleetView, orphans: number, nowMs: number): Family[] {
  return [
    {
      name: 'blockferry_orphans',
      type: 'gauge',
      help: 'Things of ended jobs in a cloud that nobody has taken back; 0 when all is well',
      samples: [{ value: orphans }],
    },
    {
      name: 'blockferry_doubts',
      type: 'gauge',
      help: 'What is wrong with the installation as a whole',
      samples: [{ value: doubts.length }],
    },
    {
      name: 'blockferry_heartbeat_age_seconds',
      type: 'gauge',
      help: 'Since a part that works by the clock last did its round',
      samples: heartbeats.flatMap(({ part, lastAtMs }) =>
        lastAtMs === undefined ? [] : [{ labels: { part }, value: (nowMs - lastAtMs) / 1000 }],
      ),
    },
  ];
}
