/** Activities of the lock keeper. Repeating them is safe: a lock that was extended is extended to the same instant again. */
import { type KeeperContext, type KeepStep, keepLocksStep } from '../../collector/keep-locks';
import { type BeginOutcome, beginRun } from '../../collector/keeper-state';
import { AppError } from '../../model/errors';
import type { WorkflowDependencies } from '../dependencies';
import type { ExtendInput } from './contracts';

const DAY_MS = 86_400_000;
/** Far below the functionTimeout of host.json; a step that was cut off is done again from where it began. */
const STEP_MS = 10 * 60_000;
const STEP_DEADLINE_MS = 25 * 60_000;

export function createKeeperActivities(deps: WorkflowDependencies) {
  const open = async (): Promise<KeeperContext> => {
    const { tenant, lockDays } = deps.settings;
    if (lockDays === undefined) {
      throw new AppError('config.invalid', 'BLOCKFERRY_LOCK_DAYS is needed to keep locks: the retention of the bucket');
    }
    const scope = { tenant, sessionId: `keep-${deps.randomHex(8)}` };
    return {
      sessionId: scope.sessionId,
      repository: await deps.openRepository({ ...scope, role: 'keeper' }),
      locks: deps.locks(scope),
      windowMs: lockDays * DAY_MS,
      signal: AbortSignal.timeout(STEP_DEADLINE_MS),
    };
  };
  return {
    beginKeeping: async (): Promise<BeginOutcome> => {
      const context = await open();
      return beginRun(context, context.windowMs);
    },
    extendLocks: async ({ run, next }: ExtendInput): Promise<KeepStep> =>
      keepLocksStep(await open(), run, next, STEP_MS),
  };
}
