/**
 * A session that is fenced while a window runs (its job was canceled) is noticed here, within seconds, instead of at the
 * window's end: hours of reading for nobody, from a snapshot that is about to be deleted.
 */
import type { Repository } from '../blockstore/repository';
import { fenced, readSession } from '../blockstore/session';
import { AppError, isAppError } from '../model/errors';

/** One GET each. */
export const sessionLookMs = 4_000;

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

async function watch(
  repository: Repository,
  sessionId: string,
  over: AbortController,
  done: AbortSignal,
): Promise<void> {
  for (;;) {
    await repository.clock.sleep(sessionLookMs, done).catch(() => undefined);
    if (done.aborted) return;
    if (!(await hasEnded(repository, sessionId, done))) continue;
    over.abort(fenced(sessionId));
    return;
  }
}

/** A register that cannot be read for the moment ends nothing: every write of a fact looks at it again. */
async function hasEnded(repository: Repository, sessionId: string, signal: AbortSignal): Promise<boolean> {
  try {
    const state = (await readSession(repository, sessionId, signal))?.state;
    return state === 'ABORTED' || state === 'COMMITTED';
  } catch (error) {
    if (!signal.aborted) {
      const code = error instanceof AppError ? error.code : 'internal';
      repository.logger.warn('the session could not be looked at', { session: sessionId, code });
    }
    return false;
  }
}
