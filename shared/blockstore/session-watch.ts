/**
 * A session that is fenced while a window runs (its job was canceled) is noticed here, within seconds, instead of at the
 * window's end: hours of reading for nobody, from a snapshot that is about to be deleted.
 */

import { AppError, isAppError } from '../model/errors';
import type { Repository } from './repository';
import {
  abortSession,
  fenced,
  type HeldRegister,
  openSession,
  readRegister,
  type SessionRequest,
  swapRegister,
} from './session';

/** One GET each. */
export const sessionLookMs = 4_000;
/** A register that nobody has changed for so long is given a beat; the collector fences after fifteen. */
export const sessionBeatMs = 60_000;

/**
 * Runs `work` with a signal that also aborts when the session has ended. Whatever the work then fails with, a snapshot that
 * is gone or an access that was revoked, follows from that end and is no damage: `session.fenced` is thrown instead.
 */
export async function whileSessionOpen<Result>(
  repository: Repository,
  sessionId: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const over = new AbortController();
  const done = new AbortController();
  const watching = watch(repository, sessionId, over, done.signal);
  try {
    return await work(AbortSignal.any([signal, over.signal]));
  } catch (error) {
    if (over.signal.aborted) throw over.signal.reason;
    if (signal.aborted || isAppError(error, 'session.fenced')) throw error;
    throw (await hasEnded(repository, sessionId, signal)) ? fenced(sessionId) : error;
  } finally {
    done.abort();
    await watching;
  }
}

/**
 * Opens a session for work that publishes nothing, such as a verification, and releases it whatever happens. The session's id
 * must be new: one that was released is not opened again.
 */
export async function withSession<Result>(
  repository: Repository,
  request: SessionRequest,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  await openSession(repository, request, signal);
  try {
    return await whileSessionOpen(repository, request.sessionId, signal, work);
  } finally {
    // One that could not be released is fenced by the collector after a while.
    await abortSession(repository, request.sessionId).catch((error: unknown) => {
      const code = error instanceof AppError ? error.code : 'internal';
      repository.logger.warn('a session could not be released', { session: request.sessionId, code });
    });
  }
}

async function watch(
  repository: Repository,
  sessionId: string,
  over: AbortController,
  done: AbortSignal,
): Promise<void> {
  let seen: { readonly etag: string; readonly atMs: number } | undefined;
  for (;;) {
    await repository.clock.sleep(sessionLookMs, done).catch(() => undefined);
    if (done.aborted) return;
    const held = await look(repository, sessionId, done);
    if (held === 'unknown') continue;
    if (held === 'ended') {
      over.abort(fenced(sessionId));
      return;
    }
    const nowMs = repository.clock.monotonicMs();
    if (held.etag !== seen?.etag) seen = { etag: held.etag, atMs: nowMs };
    else if (nowMs - seen.atMs >= sessionBeatMs) await beat(repository, sessionId, held, done);
  }
}

async function hasEnded(repository: Repository, sessionId: string, signal: AbortSignal): Promise<boolean> {
  return (await look(repository, sessionId, signal)) === 'ended';
}

/** A register that cannot be read for the moment ends nothing: every write of a fact looks at it again. One that is gone does. */
async function look(
  repository: Repository,
  sessionId: string,
  signal: AbortSignal,
): Promise<HeldRegister | 'ended' | 'unknown'> {
  try {
    const held = await readRegister(repository, sessionId, signal);
    return held?.register.state === 'PENDING' ? held : 'ended';
  } catch (error) {
    warnUnlessDone(repository, sessionId, signal, error);
    return 'unknown';
  }
}

/** All proxies of a session beat the same register: one that was beaten to it sees the other's beat at its next look. */
async function beat(repository: Repository, sessionId: string, held: HeldRegister, signal: AbortSignal): Promise<void> {
  try {
    await swapRegister(repository, sessionId, held, {}, signal);
  } catch (error) {
    warnUnlessDone(repository, sessionId, signal, error);
  }
}

function warnUnlessDone(repository: Repository, sessionId: string, signal: AbortSignal, error: unknown): void {
  if (signal.aborted) return;
  const code = error instanceof AppError ? error.code : 'internal';
  repository.logger.warn('the session could not be looked at', { session: sessionId, code });
}
