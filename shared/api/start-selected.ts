/** Starts one job for each VM that a policy selected: the same for a due slot and for a run on request. */
import { boundedMap } from '../base/bounded-map';
import { AppError } from '../model/errors';
import { resourceKey } from '../model/ids';
import type { Machine } from '../model/machine';
import type { Policy } from '../model/policy';
import { unsupportedDisks } from '../workflows/backup/vet';
import type { ApiDependencies } from './dependencies';
import { plainMessage } from './problem';

export interface SkippedMachine {
  readonly vmId: string;
  readonly reason: string;
  /** It may work at the next try: a throttled or absent cloud, not a VM that we cannot back up. */
  readonly retryable: boolean;
}

export interface StartedJobs {
  readonly jobs: readonly { readonly id: string; readonly vmId: string; readonly vmName: string }[];
  readonly running: readonly { readonly jobId: string; readonly vmId: string }[];
  readonly skipped: readonly SkippedMachine[];
}

/** Starts are small writes; more at once would only queue up at the same tables. */
const STARTS_AT_ONCE = 8;

/** One VM's failure to start does not keep the others from it: it is skipped, with the reason. */
export async function startSelected(
  deps: Pick<ApiDependencies, 'jobs'>,
  request: {
    readonly policy: Policy;
    readonly machines: readonly Machine[];
    readonly trigger: 'schedule' | 'request';
    /** Job id by VM; undefined leaves it to the starter. */
    readonly jobIdOf: (vmKey: string) => string | undefined;
  },
): Promise<StartedJobs> {
  const { policy, trigger } = request;
  const jobs: { id: string; vmId: string; vmName: string }[] = [];
  const running: { jobId: string; vmId: string }[] = [];
  const skipped: SkippedMachine[] = [];

  await boundedMap(request.machines, STARTS_AT_ONCE, async (machine) => {
    const reason = obstacleOf(machine, policy.excludeLuns);
    if (reason !== undefined) {
      skipped.push({ vmId: machine.id, reason, retryable: false });
      return;
    }
    const jobId = request.jobIdOf(resourceKey(machine.id));
    try {
      const answer = await deps.jobs.startBackup({
        machine,
        policy,
        trigger,
        ...(jobId === undefined ? {} : { jobId }),
      });
      if (answer.outcome === 'started' || answer.jobId === jobId) {
        jobs.push({ id: answer.jobId, vmId: machine.id, vmName: machine.name });
      } else running.push({ jobId: answer.jobId, vmId: machine.id });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      skipped.push({ vmId: machine.id, reason: `${error.code}: ${plainMessage(error)}`, retryable: error.retryable });
    }
  });
  return { jobs, running, skipped };
}

/** Why this VM cannot be backed up, in a sentence, or undefined. */
export function obstacleOf(machine: Machine, excludeLuns: readonly number[] = []): string | undefined {
  if (machine.disks.every((disk) => disk.lun !== 'os' && excludeLuns.includes(disk.lun))) {
    return `${machine.name} has no disk to back up`;
  }
  const unsupported = unsupportedDisks(machine, excludeLuns);
  if (unsupported.length === 0) return undefined;
  return `${machine.name}: ${unsupported.map(({ lun, reason }) => `disk ${lun}: ${reason}`).join('; ')}`;
}
