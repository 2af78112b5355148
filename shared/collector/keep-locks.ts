/**
 * The lock keeper. Objects are locked when they are written, for the window of the bucket; those that restore points still need
 * are locked anew once in each half window, so that nobody can delete them, ever. It marks from the registers as the collector
 * does, and never by the writer's word: a stolen writer could lock garbage for years.
 *
 *   L1  state: is a run due? -> state {startedAt, lockedUntil = now + window}, by compare-and-swap
 *   L2  session KEEP; for each point, in order of sessions: its record, roots, leaves and packs; at the end the key envelopes
 *   L3  state {endedAt}
 *
 * A session, so that the collector waits for it: what is being locked is not being deleted. Each step of L2 is one session and
 * says where the next one goes on; a step that is done again extends the same locks to the same instant, which changes nothing.
 */
import { boundedMap } from '../base/bounded-map';
import { KeySet, keySetBytes } from '../blockstore/key-set';
import type { LockExtender } from '../blockstore/object-store';
import { signalOption } from '../blockstore/repository';
import { withSession } from '../blockstore/session-watch';
import { digestOf, envelopePrefix, pointKey, tenantPrefix } from '../format/store-keys';
import { isAppError } from '../model/errors';
import { collectorDefaults, type StoreContext } from './context';
import { beginRun, type KeeperRun, noteProgress } from './keeper-state';
import { Marker } from './mark';
import { ReachableSet } from './reachable';
import { readPublished, type Session } from './registers';

export interface KeeperContext extends StoreContext {
  readonly locks: LockExtender;
  /** New for each step: its session, and what the credential is cut to. */
  readonly sessionId: string;
  /** Default retention of the data bucket, in ms. */
  readonly windowMs: number;
}

/** Where the next step goes on: behind this object of this session's point. */
export interface KeeperPlace {
  readonly sessionId: string;
  readonly key: string;
  /** Points so far whose manifests could not be read. */
  readonly damaged: number;
}

export interface KeepStep {
  readonly extended: number;
  /** Needed by a restore point, and not there. */
  readonly missing: number;
  /** Points of the run so far whose manifests cannot be read: what they need is not known, and so not locked. */
  readonly damaged: number;
  /** Undefined when all is done. */
  readonly next: KeeperPlace | undefined;
  /** Another run has begun meanwhile: this one has nothing more to do. */
  readonly superseded: boolean;
}

const DAMAGES: readonly string[] = ['store.not-found', 'manifest.corrupt', 'store.mismatch'];

/** Requests under way: locks are small requests, and S3 takes thousands a second. */
const EXTENSIONS_AT_ONCE = 48;
/** Objects between two looks at the clock. */
const BATCH = 2_000;

/** One step, until all is done or `deadlineMs` of this process's clock have passed. */
export async function keepLocksStep(
  context: KeeperContext,
  run: KeeperRun,
  from: KeeperPlace | undefined,
  deadlineMs: number,
): Promise<KeepStep> {
  const { repository, sessionId } = context;
  const signal = context.signal ?? new AbortController().signal;
  const step = await withSession(repository, { sessionId, vmKey: '', kind: 'KEEP' }, signal, (open) =>
    extendFrom({ ...context, signal: open }, run, from, repository.clock.monotonicMs() + deadlineMs),
  );
  // With a point that cannot be read the run does not count as done: it is tried again, and said again.
  const ended = step.next === undefined && step.damaged === 0;
  const superseded = !(await noteProgress(context, run, step.extended, ended));
  return { ...step, superseded };
}

const NOTHING = { extended: 0, missing: 0, damaged: 0 };

/** Begins a run when one is due, and takes it to its end in this process. */
export async function keepLocks(context: KeeperContext, options: { readonly force?: boolean } = {}) {
  const begun = await beginRun(context, context.windowMs, options);
  if (begun.kind === 'not-now') return { outcome: begun.kind, why: begun.why, ...NOTHING } as const;
  const { next: _, superseded, ...sums } = await keepLocksStep(context, begun.run, undefined, Number.POSITIVE_INFINITY);
  return { outcome: superseded ? 'superseded' : 'kept', lockedUntil: begun.run.lockedUntil, ...sums } as const;
}

async function extendFrom(
  context: KeeperContext,
  run: KeeperRun,
  from: KeeperPlace | undefined,
  deadlineAt: number,
): Promise<Omit<KeepStep, 'superseded'>> {
  const { repository } = context;
  const known = new KeySet();
  const sums = { ...NOTHING, damaged: from?.damaged ?? 0 };
  for await (const session of readPublished(context)) {
    const { sessionId } = session;
    // As the listing orders them, where `job-1-x/register` comes before `job-1/register`.
    if (from && `${sessionId}/` < `${from.sessionId}/`) continue;
    if (!isNeeded(context, session)) continue;
    const behind = sessionId === from?.sessionId ? from.key : '';
    const all = await objectsOf(context, session, sums);
    const keys = all.filter((key) => key > behind && known.add(hashOf(key)));
    for (let at = 0; at < keys.length; at += BATCH) {
      const batch = keys.slice(at, at + BATCH);
      await extend(context, run, batch, sums);
      const key = batch.at(-1);
      if (key !== undefined && repository.clock.monotonicMs() >= deadlineAt)
        return { ...sums, next: { sessionId, key, damaged: sums.damaged } };
    }
  }
  await extend(context, run, await envelopes(context), sums);
  return { ...sums, next: undefined };
}

/** Points that live, and those that can still be had back. */
function isNeeded({ repository }: KeeperContext, { register }: Session): boolean {
  if (register.state === 'COMMITTED') return true;
  const expiredAt = Date.parse(register.expiry?.at ?? '');
  return register.state === 'EXPIRED' && repository.clock.now() - expiredAt < collectorDefaults.undoMs;
}

/**
 * Everything that the point needs, below the tenant's prefix, in order. A point that cannot be read is counted, and the others go
 * on: one loss must not let all other locks run out.
 */
async function objectsOf(
  context: KeeperContext,
  { register, sessionId }: Session,
  sums: { damaged: number },
): Promise<string[]> {
  const { repository } = context;
  const tenant = tenantPrefix(repository.tenant);
  const keys = new Set([pointKey(repository.tenant, register.vmKey, register.pointId ?? '').slice(tenant.length)]);
  // The filter is not asked here: it errs, and what it wrongly knows would go without a lock.
  const marker = new Marker(context, new ReachableSet(repository.randomBytes(16)), (key) => keys.add(key));
  try {
    await marker.markPoint(register);
  } catch (error) {
    if (!isAppError(error) || error.retryable || !DAMAGES.includes(error.code)) throw error;
    sums.damaged++;
    repository.logger.error('a restore point cannot be read: what it needs is not locked', {
      session: sessionId,
      point: register.pointId ?? '',
      code: error.code,
    });
  }
  return [...keys].sort();
}

async function envelopes({ repository, signal }: KeeperContext): Promise<string[]> {
  const tenant = tenantPrefix(repository.tenant);
  const keys: string[] = [];
  for await (const { key } of repository.stores.data.list(envelopePrefix(repository.tenant), signalOption(signal))) {
    keys.push(key.slice(tenant.length));
  }
  return keys;
}

async function extend(
  { repository, locks, signal }: KeeperContext,
  run: KeeperRun,
  keys: readonly string[],
  sums: { extended: number; missing: number },
): Promise<void> {
  const untilMs = Date.parse(run.lockedUntil);
  await boundedMap(keys, EXTENSIONS_AT_ONCE, async (key) => {
    try {
      await locks.extendLock(tenantPrefix(repository.tenant) + key, untilMs, signalOption(signal));
      sums.extended++;
    } catch (error) {
      // The others are locked all the same: one loss must not become a second one.
      if (!isAppError(error, 'store.not-found')) throw error;
      sums.missing++;
      repository.logger.error('an object that a restore point needs is missing', { object: key });
    }
  });
}

const hashOf = (key: string): Buffer => Buffer.from(digestOf(Buffer.from(key)), 'hex').subarray(0, keySetBytes);
