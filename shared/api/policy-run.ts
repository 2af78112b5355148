/** POST /api/policies/{name}/run: what the scheduler would do at a slot, now, and told in full. Works for a disabled policy too. */
import { boundedMap } from '../base/bounded-map';
import { resourceKey } from '../model/ids';
import { limits } from '../model/limits';
import type { Machine } from '../model/machine';
import type { Policy } from '../model/policy';
import { describeSelector, type Selection, selectMachines } from '../policy/selection';
import { readNoBody } from './body';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json } from './http';
import { idempotent, seededJobId } from './idempotent';
import { listMachines } from './inventory';
import { findPolicy } from './policies';
import { ProblemError } from './problem';
import { dryRunParameter, readQuery } from './query';
import { obstacleOf, startSelected } from './start-selected';

export async function runPolicy(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const { dryRun } = readQuery(request, { dryRun: dryRunParameter });
  await readNoBody(request);
  const { policy } = await findPolicy(request, deps);
  if (dryRun) return previewRun(deps, policy, await select(deps, policy));
  return idempotent(deps, request, null, async (seed) => {
    const { selected } = await select(deps, policy);
    const started = await startSelected(deps, {
      policy,
      machines: selected,
      trigger: 'request',
      jobIdOf: (vmKey) => (seed === undefined ? undefined : seededJobId('b', seed, vmKey)),
    });
    return json(
      202,
      {
        policy: policy.name,
        selected: selected.length,
        jobs: started.jobs,
        running: started.running,
        skipped: started.skipped.map(({ vmId, reason }) => ({ vmId, reason })),
      },
      { location: '/api/jobs', 'retry-after': '2' },
    );
  });
}

/** 422 when nothing is selected: a policy that protects nothing is a mistake that must not look like a success. */
async function select(deps: ApiDependencies, policy: Policy): Promise<Selection> {
  const machines = await listMachines(deps);
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
