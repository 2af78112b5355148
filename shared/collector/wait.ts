/**
 * C4: sessions that began before the list was published, and so do not honour it, are waited for; one whose register stands
 * still for the lease time is fenced. Clocks decide only when a session is suspected: a wrong suspicion costs one more run.
 */
import { requireCollectorState } from '../blockstore/collector-state';
import { swapRegister } from '../blockstore/session';
import { type CollectorContext, leaseMs } from './context';
import { readSessions } from './registers';

/** A session that is waited for, and the etag of its register when it was looked at. */
export interface Waited {
  readonly sessionId: string;
  readonly etag: string;
}

/** How long between two looks. */
const LOOK_MS = 15_000;

/** Open sessions of an earlier epoch than the list in force. */
export async function openSessions(context: CollectorContext): Promise<Waited[]> {
  const { state } = await requireCollectorState(context.repository, context.signal);
  const waited: Waited[] = [];
  for await (const { sessionId, etag, register } of readSessions(context)) {
    if (register.state === 'PENDING' && register.epoch < state.epoch) waited.push({ sessionId, etag });
  }
  return waited;
}

/** Fences those of `suspects` whose register has not changed since they were looked at. Returns who was fenced. */
export async function fenceSessions(context: CollectorContext, suspects: readonly Waited[]): Promise<string[]> {
  const etags = new Map(suspects.map(({ sessionId, etag }) => [sessionId, etag]));
  const fenced: string[] = [];
  for await (const session of readSessions(context)) {
    const { sessionId, etag, register } = session;
    if (register.state !== 'PENDING' || etags.get(sessionId) !== etag) continue;
    if (await swapRegister(context.repository, sessionId, session, { state: 'ABORTED' }, context.signal)) {
      fenced.push(sessionId);
      context.repository.logger.warn('a session that gave no sign of life was ended', { session: sessionId });
    }
  }
  return fenced;
}

/** Until no such session is left, in one process: by its monotonic clock. Returns who was fenced. */
export async function waitForSessions(context: CollectorContext, lease = leaseMs): Promise<string[]> {
  const { clock } = context.repository;
  const since = new Map<string, { readonly etag: string; readonly atMs: number }>();
  const fenced: string[] = [];
  for (;;) {
    const open = await openSessions(context);
    if (open.length === 0) return fenced;
    const nowMs = clock.monotonicMs();
    for (const { sessionId, etag } of open) {
      if (since.get(sessionId)?.etag !== etag) since.set(sessionId, { etag, atMs: nowMs });
    }
    const still = open.filter(({ sessionId }) => nowMs - (since.get(sessionId)?.atMs ?? nowMs) >= lease);
    if (still.length > 0) fenced.push(...(await fenceSessions(context, still)));
    else await clock.sleep(Math.min(LOOK_MS, lease), context.signal);
  }
}
