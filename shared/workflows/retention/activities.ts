/**
 * Retention's activities. Each may run twice: expiring is a compare-and-swap that finds itself done, the collector's steps read
 * the state first, and the catalog is written from what the registers say.
 */
import { expirePoint } from '../../blockstore/expiry';
import type { Repository } from '../../blockstore/repository';
import { readRegister } from '../../blockstore/session';
import type { PointRecord, Standing } from '../../catalog/points';
import { condemn } from '../../collector/condemn';
import type { CollectorContext } from '../../collector/context';
import { closeDelete, deletePart, leaveIndex } from '../../collector/delete';
import { fixDeleteSet } from '../../collector/fix';
import type { Allowance, Tally } from '../../collector/guards';
import { fenceSessions, openSessions, type Waited } from '../../collector/wait';
import { AppError, isAppError } from '../../model/errors';
import { jobIdOfPoint } from '../../model/ids';
import type { WorkflowDependencies } from '../dependencies';
import type { Condemned, Expired, RetentionEnd, Reviewed, Walk } from './contracts';
import { planPolicyRetention } from './plan';

/** VMs of one activity: a minute's work. */
const VMS_AT_A_TIME = 50;
/** Below the functionTimeout of host.json: a step that takes longer fails as retryable and goes on where it was. */
const STEP_MS_MAX = 25 * 60_000;

export function createRetentionActivities(deps: WorkflowDependencies) {
  const { catalog, clock, logger } = deps;

  const collector = async (): Promise<CollectorContext> => {
    if (!deps.openCollector) {
      throw new AppError('config.invalid', 'nothing expires or is collected: set BLOCKFERRY_COLLECTOR_ROLE_ARN');
    }
    return deps.openCollector(AbortSignal.timeout(STEP_MS_MAX));
  };

  /** Whether it is given up now, or a hold keeps it. */
  const expire = async (repository: Repository, policy: string, pointId: string): Promise<'expired' | 'held'> => {
    try {
      await expirePoint(repository, pointId, { by: `policy:${policy}`, reason: 'no rule of its policy keeps it' });
    } catch (error) {
      if (!isAppError(error, 'request.conflict')) throw error;
    }
    const standing = await standingOf(repository, pointId);
    await catalog.points.stand(pointId, standing === 'gone' ? {} : standing);
    return standing !== 'gone' && standing.hold ? 'held' : 'expired';
  };

  return {
    reviewExpired: async (): Promise<Reviewed> => {
      const { repository } = await collector();
      const reviewed = { returned: 0, gone: 0 };
      for (const { point, standing } of await catalog.points.expired({ limit: Number.POSITIVE_INFINITY })) {
        const now = await standingOf(repository, point.id);
        if (now === 'gone') {
          await catalog.points.forget(point.id);
          reviewed.gone++;
        } else if (now.expiry?.at !== standing.expiry?.at) {
          await catalog.points.stand(point.id, now);
          reviewed.returned++;
        }
      }
      return reviewed;
    },

    expirePoints: async ({ after }: Walk): Promise<Expired> => {
      const { repository } = await collector();
      const vms = await catalog.points.vms({ after, limit: VMS_AT_A_TIME });
      const done = { expired: 0, held: 0 };
      for (const { vmId } of vms) {
        const records = await catalog.points.list({ vmId });
        for (const [policy, pointId] of await lapsed(records)) done[await expire(repository, policy, pointId)]++;
      }
      const last = vms.at(-1);
      return { vms: vms.length, ...done, ...(last && vms.length === VMS_AT_A_TIME ? { next: last.key } : {}) };
    },

    condemnUnits: async ({ allowance }: { allowance?: Allowance }): Promise<Condemned> => {
      const begun = await condemn(await collector(), { allowance });
      switch (begun.kind) {
        case 'not-now':
          return { kind: begun.kind, why: begun.why, stops: [] };
        case 'deleting':
          return { kind: begun.kind, stops: [] };
        case 'dry':
          throw new AppError('request.invalid', 'a dry run was not asked for');
        default: {
          const { report } = begun;
          const figures = report && {
            listed: report.listed,
            condemned: report.condemned,
            locked: report.locked,
            livePoints: report.points.live,
          };
          return { kind: begun.kind, ...figures, stops: 'stops' in begun ? begun.stops : [] };
        }
      }
    },

    lookForSessions: async (): Promise<Waited[]> => openSessions(await collector()),

    fenceSilent: async ({ suspects }: { suspects: readonly Waited[] }): Promise<string[]> =>
      fenceSessions(await collector(), suspects),

    fixDeletes: async (): Promise<{ parts: number }> => {
      const context = await collector();
      await fixDeleteSet(context);
      return { parts: (await leaveIndex(context))?.parts ?? 0 };
    },

    deleteUnits: async ({ part }: { part: number }): Promise<Tally> =>
      (await deletePart(await collector(), part)) ?? { units: 0, bytes: 0 },

    /** A cycle that is at another step has been closed by somebody else. */
    closeCollection: async (): Promise<{ closed: boolean }> => ({
      closed: (await closeDelete(await collector()))?.closed ?? true,
    }),

    endRetention: async (end: RetentionEnd): Promise<null> => {
      await catalog.retentionRuns.end({ ...end, endedAt: new Date(clock.now()).toISOString() });
      if (end.failure === undefined) await catalog.heartbeats.beat('retention');
      const asks = end.collection?.stops.map(({ reason }) => reason).join(', ');
      logger[asks || end.failure ? 'warn' : 'info']('retention has run', {
        run: end.runId,
        expired: end.expired,
        deleted: end.collection?.deleted?.units ?? 0,
        ...(asks ? { asks } : {}),
        ...(end.failure ? { failure: end.failure.code } : {}),
      });
      return null;
    },
  };

  /** Pairs of policy and point, oldest points first: what is given up when a run ends early is what would go first. */
  async function lapsed(records: readonly PointRecord[]): Promise<(readonly [string, string])[]> {
    const found: (readonly [string, string])[] = [];
    for (const name of new Set(records.flatMap(({ point }) => point.policy ?? []))) {
      const stored = await catalog.policies.read(name);
      if (!stored) continue;
      const { expire: ids } = planPolicyRetention(stored.policy, records, clock.now());
      found.push(...ids.toReversed().map((id) => [name, id] as const));
    }
    return found;
  }
}

/** What the register says now. `store.mismatch` when a point that the catalog knows has none: that is for a person. */
async function standingOf(repository: Repository, pointId: string): Promise<Standing | 'gone'> {
  const held = await readRegister(repository, jobIdOfPoint(pointId));
  if (!held) {
    throw new AppError(
      'store.mismatch',
      `restore point ${pointId} is in the catalog and its register is not in the control bucket: see docs/operations.md, Lost catalog`,
      { context: { point: pointId } },
    );
  }
  const { state, hold, expiry } = held.register;
  if (state === 'GONE') return 'gone';
  return { ...(hold === undefined ? {} : { hold }), ...(expiry === undefined ? {} : { expiry }) };
}
