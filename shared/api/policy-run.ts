/** POST /api/policies/{name}/run: what the scheduler would do at a slot, now, and told in full. Works for a disabled policy too. */
import { z } from 'zod';
import { boundedMap } from '../base/bounded-map';
import { resourceKey } from '../model/ids';
import { limits } from '../model/limits';
import type { Machine } from '../model/machine';
import type { Policy } from '../model/policy';
import { describeSelector, type Selection, selectMachines } from '../policy/selection';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { type ApiResponse, json } from './http';
import { seededJobId } from './idempotent';
import { listMachines } from './inventory';
import { findPolicy } from './policies';
import { ProblemError } from './problem';
import { defineRoute } from './route';
import { nameParameter } from './schemas';
import { obstacleOf, startSelected } from './start-selected';

const vmRef = z.strictObject({ vmId: z.string(), vmName: z.string() });
const runningSchema = z.array(z.strictObject({ jobId: z.string(), vmId: z.string() }));
const reasonsSchema = z.array(z.strictObject({ vmId: z.string(), reason: z.string() }));
const previewSchema = z.strictObject({
  dryRun: z.literal(true),
  policy: z.string(),
  selected: z.number().int(),
  wouldStart: z.array(vmRef),
  running: runningSchema,
  skipped: reasonsSchema,
  excluded: z.array(z.strictObject({ vmId: z.string(), rule: z.string() })),
});
const runSchema = z.strictObject({
  policy: z.string(),
  selected: z.number().int(),
  jobs: z.array(z.strictObject({ id: z.string(), vmId: z.string(), vmName: z.string() })),
  running: runningSchema,
  skipped: reasonsSchema,
});

export const runPolicy = defineRoute({
  name: 'runPolicy',
  method: 'POST',
  path: 'policies/{name}/run',
  area: 'Policies',
  roles: ['operator'],
  scope: 'vm',
  mutates: true,
  quotaPerHour: 60,
  summary: 'Back up now what a policy selects',
  description: 'One job for each VM that the caller can see; works for a disabled policy too.',
  params: nameParameter,
  replies: {
    200: { description: 'Dry run: what would be started', schema: previewSchema },
    202: { description: 'The jobs', schema: runSchema, headers: { location: 'Path of the list of jobs' } },
  },
  example: { params: { name: 'nightly' } },
  handler: async ({ caller, params, dryRun, seed, countStart }, deps) => {
    const { policy } = await findPolicy(deps, params.name);
    const selection = await select(deps, caller, policy);
    if (dryRun) return previewRun(deps, policy, selection);
    await countStart();
    const started = await startSelected(deps, {
      policy,
      machines: selection.selected,
      trigger: 'request',
      jobIdOf: (vmKey) => (seed === undefined ? undefined : seededJobId('b', seed, vmKey)),
    });
    const body = {
      policy: policy.name,
      selected: selection.selected.length,
      jobs: started.jobs,
      running: started.running,
      skipped: started.skipped.map(({ vmId, reason }) => ({ vmId, reason })),
    };
    return json(202, body, { location: '/api/jobs', 'retry-after': '2' });
  },
});

/** 422 when nothing is selected: a policy that protects nothing is a mistake that must not look like a success. */
async function select(deps: ApiDependencies, caller: Caller, policy: Policy): Promise<Selection> {
  const machines = (await listMachines(deps)).filter(({ id }) => inScope(caller, id));
  const selection = selectMachines(policy, machines);
  const count = selection.selected.length;
  if (count === 0) {
    const excluded = selection.excluded.length;
    const detail =
      `policy ${policy.name} selects none of ${machines.length} VMs: tried ${describeSelector(policy.include)}` +
      (excluded > 0 ? `; ${excluded} that match are excluded by ${describeSelector(policy.exclude ?? {})}` : '');
    throw new ProblemError({ status: 422, code: 'policy.selects-nothing', detail });
  }
  if (count > limits.vmsPerPolicyRunMax) {
    const detail = `policy ${policy.name} selects ${count} VMs, more than ${limits.vmsPerPolicyRunMax}; split it`;
    throw new ProblemError({ status: 422, code: 'policy.selects-too-many', detail });
  }
  return selection;
}

const LOOKUPS_AT_ONCE = 16;

async function previewRun(deps: ApiDependencies, policy: Policy, selection: Selection): Promise<ApiResponse> {
  const wouldStart: { vmId: string; vmName: string }[] = [];
  const running: { jobId: string; vmId: string }[] = [];
  const skipped: { vmId: string; reason: string }[] = [];
  await boundedMap(selection.selected, LOOKUPS_AT_ONCE, async (machine: Machine) => {
    const reason = obstacleOf(machine, policy.excludeLuns);
    const holder = await deps.catalog.leases.holder(resourceKey(machine.id));
    const job = holder === undefined ? undefined : await deps.catalog.jobs.read(holder);
    if (reason !== undefined) skipped.push({ vmId: machine.id, reason });
    else if (job?.status === 'running') running.push({ jobId: job.id, vmId: machine.id });
    else wouldStart.push({ vmId: machine.id, vmName: machine.name });
  });
  return json(200, {
    dryRun: true,
    policy: policy.name,
    selected: selection.selected.length,
    wouldStart,
    running,
    skipped,
    excluded: selection.excluded,
  });
}
