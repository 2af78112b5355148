/**
 * The first half of a cycle: what is not reachable is condemned, and the list published.
 *
 *   C1  state of the collector; a cycle that is under way is gone on with, not begun anew
 *   C2  roots: restore points that are committed, or expired so lately that it can be undone -> mark
 *       units listed and not marked, not young, not locked -> candidates
 *       guards; then points whose time to undo is over are GONE, by compare-and-swap against an undo
 *   C3  condemned list; state IDLE -> SWEEP, epoch + 1
 *
 * Marking before listing makes no candidate wrong: a session that commits in between is of this epoch or an earlier one, so
 * it is waited for, and the second mark has its references.
 */

import { requireCollectorState, swapCollectorState } from '../blockstore/collector-state';
import type { StoredVersion } from '../blockstore/object-store';
import { signalOption } from '../blockstore/repository';
import { swapRegister } from '../blockstore/session';
import type { CollectorState } from '../format/collector-records';
import { cyclePrefix, pointPrefix, tenantPrefix } from '../format/store-keys';
import { AppError } from '../model/errors';
import type { CollectorContext } from './context';
import { type Allowance, reasonsToStop, type Stop, type Tally } from './guards';
import { ListWriter } from './list-writer';
import { Marker } from './mark';
import { ReachableSet } from './reachable';
import { readPublished, type Session } from './registers';

export interface CondemnReport {
  readonly listed: Tally;
  readonly condemned: Tally;
  /** Unreachable, and left for a later cycle. */
  readonly young: Tally;
  readonly locked: Tally;
  readonly points: { readonly live: number; readonly expired: number; readonly gone: number };
  /** Points whose time to undo is over in this cycle. */
  readonly newlyGone: number;
  /** Objects where only units belong that are none by their name: never touched. */
  readonly foreign: number;
  /** Delete markers and second versions: nobody of us writes such. */
  readonly strange: number;
}

export type CondemnOutcome =
  /** A list is in force: this cycle's, or one that was found. Next: wait for sessions. */
  | { readonly kind: 'published'; readonly report: CondemnReport | undefined }
  /** A fixed delete set was found. Next: delete. */
  | { readonly kind: 'deleting' }
  | { readonly kind: 'nothing' | 'dry'; readonly report: CondemnReport; readonly stops: readonly Stop[] }
  | { readonly kind: 'stopped'; readonly report: CondemnReport; readonly stops: readonly Stop[] }
  /** The time is not come, or another collector was first. */
  | { readonly kind: 'not-now'; readonly why: string };

export interface CondemnRequest {
  readonly dryRun?: boolean;
  readonly allowance?: Allowance | undefined;
}

interface Roots {
  readonly reachable: ReachableSet;
  readonly marked: string[];
  readonly gone: string[];
  readonly due: Session[];
  readonly records: Set<string>;
  live: number;
  expired: number;
}

export async function condemn(context: CollectorContext, request: CondemnRequest = {}): Promise<CondemnOutcome> {
  const { repository, settings, signal } = context;
  const held = await requireCollectorState(repository, signal);
  const { state } = held;
  if (!request.dryRun && state.phase === 'SWEEP') return { kind: 'published', report: undefined };
  if (!request.dryRun && state.phase === 'DELETE') return { kind: 'deleting' };
  if (state.quietUntil !== undefined && repository.clock.now() < Date.parse(state.quietUntil)) {
    return { kind: 'not-now', why: `the control bucket was rebuilt; nothing is collected before ${state.quietUntil}` };
  }
  const cycle = repository.randomBytes(16).toString('hex');
  const roots = await markRoots(context, state);
  const epoch = state.epoch + 1;
  const writer = new ListWriter(
    context,
    `${cyclePrefix(repository.tenant, epoch, cycle)}condemned-`,
    request.dryRun === true,
  );
  const report = await listCandidates(context, roots, writer);
  const seen = {
    listed: report.listed,
    condemned: report.condemned,
    points: roots.marked.length + roots.gone.length + roots.due.length,
    strayRecords: await strayRecords(context, roots.records),
    last: state.last,
  };
  const stops = reasonsToStop(seen, settings.shareMax, request.allowance);
  if (request.dryRun) return { kind: 'dry', report, stops };
  if (stops.length > 0) return { kind: 'stopped', report, stops };
  for (const session of roots.due) {
    if (!(await swapRegister(repository, session.sessionId, session, { state: 'GONE' }, signal))) {
      return { kind: 'not-now', why: `the restore point of session ${session.sessionId} was changed meanwhile` };
    }
    roots.gone.push(session.sessionId);
  }
  if (report.condemned.units === 0) {
    // Remembered all the same: the guards of the next cycle compare with it.
    const last = { units: report.listed.units, points: seen.points, endedAt: nowOf(context) };
    await swapCollectorState(repository, held, { ...withoutQuiet(state), last }, signal);
    return { kind: 'nothing', report, stops };
  }
  const { marked, gone } = roots;
  const listed = report.listed.units;
  const condemned = await writer.finish({ purpose: 'condemned', epoch, listed, marked, gone });
  const next = { ...withoutQuiet(state), epoch, phase: 'SWEEP', cycle, condemned } as const;
  const published = await swapCollectorState(repository, held, next, signal);
  return published
    ? { kind: 'published', report }
    : { kind: 'not-now', why: 'another collector has begun a cycle meanwhile' };
}

/** Every register once: roots are marked, the others counted. */
async function markRoots(context: CollectorContext, state: CollectorState): Promise<Roots> {
  const { repository, settings } = context;
  const reachable = new ReachableSet(repository.randomBytes(16), state.last?.units ?? 0);
  const marker = new Marker(context, reachable);
  const roots: Roots = { reachable, marked: [], gone: [], due: [], records: new Set(), live: 0, expired: 0 };
  for await (const session of readPublished(context)) {
    const { register, sessionId } = session;
    roots.records.add(`${register.vmKey}/${register.pointId}`);
    if (register.state === 'GONE') {
      roots.gone.push(sessionId);
      continue;
    }
    if (register.state === 'EXPIRED') roots.expired++;
    else roots.live++;
    const expiredAtMs = Date.parse(register.expiry?.at ?? '');
    if (register.state === 'EXPIRED' && repository.clock.now() - expiredAtMs >= settings.undoMs) {
      roots.due.push(session);
      continue;
    }
    await marker.markPoint(register);
    roots.marked.push(sessionId);
  }
  return roots;
}

const UNIT = /^(u\/([0-9a-f]{2})\/\2[0-9a-f]{30}|m\/[a-z0-9-]{1,100}\/[a-z0-9.-]{1,40})$/;

async function listCandidates(context: CollectorContext, roots: Roots, writer: ListWriter): Promise<CondemnReport> {
  const { repository, versions, settings, signal } = context;
  const nowMs = repository.clock.now();
  const listed = { units: 0, bytes: 0 };
  const young = { units: 0, bytes: 0 };
  const locked = { units: 0, bytes: 0 };
  let foreign = 0;
  let strange = 0;
  const tenant = tenantPrefix(repository.tenant);
  // In key order, so that lists are: m/ before u/.
  for (const folder of ['m/', 'u/']) {
    let before = '';
    for await (const version of versions.listVersions(tenant + folder, signalOption(signal))) {
      const key = version.key.slice(tenant.length);
      if (key < before) {
        throw new AppError('store.unavailable', `the listing of ${folder} is out of order`, { retryable: true });
      }
      if (version.isMarker || key === before) strange++;
      else count(listed, version);
      before = key;
      if (!UNIT.test(key)) {
        foreign++;
        continue;
      }
      if (roots.reachable.has(key)) continue;
      if (nowMs - version.storedAtMs < settings.youngMs) {
        count(young, version);
        continue;
      }
      // A locked unit in the delete set would keep the cycle open.
      const until = version.isMarker
        ? undefined
        : await versions.lockedUntil(version.key, version.versionId, signalOption(signal));
      if (until !== undefined && until > nowMs) count(locked, version);
      else await writer.add({ key, versionId: version.versionId, sizeBytes: version.sizeBytes });
    }
  }
  const points = { live: roots.live, expired: roots.expired, gone: roots.gone.length };
  return {
    listed,
    condemned: writer.tally,
    young,
    locked,
    points,
    newlyGone: roots.due.length,
    foreign,
    strange,
  };
}

/** Records in the data bucket whose register the control bucket does not have. */
async function strayRecords(context: CollectorContext, known: ReadonlySet<string>): Promise<string[]> {
  const { repository, signal } = context;
  const prefix = pointPrefix(repository.tenant);
  const stray: string[] = [];
  for await (const { key } of repository.stores.data.list(prefix, signalOption(signal))) {
    if (!known.has(key.slice(prefix.length))) stray.push(key.slice(prefix.length));
  }
  if (stray.length === 0) return stray;
  // Committed since the registers were read: what is still unknown then has none.
  for await (const { register } of readPublished(context)) {
    const at = stray.indexOf(`${register.vmKey}/${register.pointId}`);
    if (at >= 0) stray.splice(at, 1);
  }
  return stray;
}

const count = (tally: { units: number; bytes: number }, version: StoredVersion): void => {
  tally.units++;
  tally.bytes += version.sizeBytes;
};

export const nowOf = ({ repository }: CollectorContext): string => new Date(repository.clock.now()).toISOString();

/** What stays of a state when the next one is made of it. */
export function withoutQuiet(state: CollectorState): Pick<CollectorState, 'epoch' | 'phase' | 'replaced' | 'last'> {
  const { epoch, phase, replaced, last } = state;
  return {
    epoch,
    phase,
    ...(replaced === undefined ? {} : { replaced }),
    ...(last === undefined ? {} : { last }),
  };
}
