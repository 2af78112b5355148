/**
 * What the scheduler's timer does: each enabled policy whose newest slot has not been dealt with gets its jobs, one per VM.
 *
 * 1. The slot: the newest at or before now. Of several missed ones only this one runs: a backup of now serves them all.
 * 2. The VMs that the policy selects at this moment.
 * 3. The jobs, with ids made of policy, slot and VM: two schedulers at once, or a repetition after a crash, start no second one.
 * 4. The slot is recorded as dealt with, last: a crash before it repeats 2 and 3. It stays open when a start failed in a way
 *    that may pass; the next tick tries again, until a newer slot takes its place.
 */
import { createHash } from 'node:crypto';
import type { PolicyRun, StoredPolicy } from '../catalog/policies';
import { isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { Machine } from '../model/machine';
import { lastSlotAt } from '../policy/schedule';
import { describeSelector, selectMachines } from '../policy/selection';
import type { ApiDependencies } from './dependencies';
import { listMachines } from './inventory';
import { startSelected } from './start-selected';

export interface DueReport {
  /** Policies whose slot was dealt with now. */
  readonly runs: readonly (PolicyRun & { readonly policy: string })[];
  /** Policies that failed as a whole; they are tried again at the next tick. */
  readonly failed: readonly { readonly policy: string; readonly code: string }[];
}

/** Safe to repeat and to run twice at once. Never throws for one policy's sake. */
export async function startDue(deps: ApiDependencies): Promise<DueReport> {
  const runs: (PolicyRun & { policy: string })[] = [];
  const failed: { policy: string; code: string }[] = [];
  let machines: Promise<Machine[]> | undefined;
  const allMachines = (): Promise<Machine[]> => {
    machines ??= listMachines(deps);
    return machines;
  };

  for (const stored of await deps.catalog.policies.list()) {
    const name = stored.policy.name;
    try {
      const slot = await dueSlot(deps, stored);
      if (slot !== undefined) runs.push({ policy: name, ...(await runSlot(deps, stored, slot, await allMachines())) });
    } catch (error) {
      const code = isAppError(error) ? error.code : 'internal';
      failed.push({ policy: name, code });
      // Only our own messages are fit for a log; a foreign error is told by its name.
      const detail = isAppError(error) ? error.message : error instanceof Error ? error.name : 'unknown';
      deps.logger.error('a due policy could not be started; the next tick tries again', { policy: name, code, detail });
    }
  }
  return { runs, failed };
}

/** The timer ticks once a minute: who sets a policy for the running minute means this slot, not the one of tomorrow. */
const GRACE_MS = 60_000;

/** The slot to deal with now, as an ISO instant. */
async function dueSlot(deps: ApiDependencies, { policy, scheduledAt }: StoredPolicy): Promise<string | undefined> {
  if (!policy.enabled || policy.schedule === undefined) return undefined;
  const slot = lastSlotAt(policy.schedule, deps.clock.now());
  if (slot === undefined || slot.getTime() <= Date.parse(scheduledAt) - GRACE_MS) return undefined;
  const { lastSlot } = await deps.catalog.policies.readState(policy.name);
  return lastSlot !== undefined && slot.getTime() <= Date.parse(lastSlot) ? undefined : slot.toISOString();
}

async function runSlot(
  deps: ApiDependencies,
  { policy }: StoredPolicy,
  slot: string,
  machines: readonly Machine[],
): Promise<PolicyRun> {
  const { selected } = selectMachines(policy, machines);
  const within = selected.slice(0, limits.vmsPerPolicyRunMax);
  const started = await startSelected(deps, {
    policy,
    machines: within,
    trigger: 'schedule',
    jobIdOf: (vmKey) => slotJobId(policy.name, slot, vmKey),
  });
  const beyond = selected.slice(limits.vmsPerPolicyRunMax).map(({ id }) => ({
    vmId: id,
    reason: `the policy selects more than ${limits.vmsPerPolicyRunMax} VMs; split it`,
    retryable: false,
  }));
  const skipped = [...started.skipped, ...beyond];
  const run: PolicyRun = {
    slot,
    at: new Date(deps.clock.now()).toISOString(),
    selected: selected.length,
    started: started.jobs.length,
    running: started.running.length,
    skippedCount: skipped.length,
    skipped: skipped.slice(0, SKIPPED_SHOWN_MAX).map(({ vmId, reason }) => ({ vmId, reason })),
  };
  const dealtWith = !skipped.some(({ retryable }) => retryable);
  await deps.catalog.policies.updateState(policy.name, (state) => ({
    ...state,
    ...(dealtWith ? { lastSlot: later(state.lastSlot, slot) } : {}),
    lastRun: run,
  }));
  const fields = { policy: policy.name, slot, selected: run.selected, started: run.started, running: run.running };
  if (selected.length === 0) {
    const tried = `${describeSelector(policy.include)} against ${machines.length} VMs`;
    deps.logger.warn('a due policy selects nothing', { ...fields, tried });
  } else deps.logger.info('a due policy was started', { ...fields, skipped: skipped.length });
  return run;
}

/** Kept with the policy's state; all of them are counted. */
const SKIPPED_SHOWN_MAX = 50;

/** Tells policy and slot apart by hash, shows the slot to people. */
export function slotJobId(policy: string, slot: string, vmKey: string): string {
  const hash = createHash('sha256').update([policy, slot, vmKey].join('\n')).digest('hex').slice(0, 16);
  return `b-${slot.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${hash}`;
}

const later = (a: string | undefined, b: string): string => (a !== undefined && Date.parse(a) > Date.parse(b) ? a : b);
