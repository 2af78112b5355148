/**
 * Sessions: one register each in the control bucket, changed by compare-and-swap only.
 *
 *   (none) --open--> PENDING --publish--> COMMITTED        the restore point exists from here on
 *                       |
 *                       +-----abort-----> ABORTED          the fence: nothing of the session can be published any more
 *
 * Whoever writes for a session looks at the register first; what a fenced writer has still put down is never referenced by a
 * published point, because publishing is itself a swap from PENDING.
 */
import { decodeRegister, encodeRecord, type Register, type SessionKind, type SessionState } from '../format/records';
import { type ObjectIdentity, sealObject } from '../format/seal';
import { registerKey } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { getSealed, type Repository, signalOption } from './repository';

/** Swaps lost in a row before giving up: each loss means that somebody else made progress. */
const SWAPS_MAX = 8;

export interface SessionRequest {
  readonly sessionId: string;
  readonly vmKey: string;
  readonly kind: SessionKind;
}

export interface HeldRegister {
  readonly register: Register;
  readonly etag: string;
}

/** Creates the register, or finds it: safe to repeat. `session.fenced` when it was aborted. */
export async function openSession(
  repository: Repository,
  request: SessionRequest,
  signal?: AbortSignal,
): Promise<{ readonly state: SessionState }> {
  const register: Register = {
    version: 1,
    kind: request.kind,
    vmKey: request.vmKey,
    epoch: 0,
    state: 'PENDING',
    beat: 0,
    nonce: nonceOf(repository),
  };
  const identity = registerIdentity(repository, request.sessionId);
  const body = sealObject(repository.keys, identity, encodeRecord(register));
  const { outcome } = await repository.stores.control.putOnce(identity.key, body, signalOption(signal));
  if (outcome === 'created') return { state: 'PENDING' };
  const there = await readRegister(repository, request.sessionId, signal);
  if (!there) throw notFound(request.sessionId);
  const { kind, vmKey, state } = there.register;
  if (state === 'ABORTED') throw fenced(request.sessionId);
  if (kind !== request.kind || vmKey !== request.vmKey) {
    throw new AppError('store.conflict', `session ${request.sessionId} belongs to another job`, {
      context: { session: request.sessionId },
    });
  }
  return { state };
}

/** The session's state, undefined when there is no such session. */
export async function readSession(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<Pick<Register, 'kind' | 'vmKey' | 'epoch' | 'state' | 'pointId' | 'pointDigest'> | undefined> {
  return (await readRegister(repository, sessionId, signal))?.register;
}

/**
 * Fences the session for good, unless it has been committed. Afterwards no publish of it can succeed, and a proxy that looks
 * at the register stops. Safe to repeat.
 */
export async function abortSession(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<'aborted' | 'committed' | 'absent'> {
  for (let swap = 0; swap < SWAPS_MAX; swap++) {
    const held = await readRegister(repository, sessionId, signal);
    if (!held) return 'absent';
    if (held.register.state === 'COMMITTED') return 'committed';
    if (held.register.state === 'ABORTED') return 'aborted';
    if (await swapRegister(repository, sessionId, held, { state: 'ABORTED' }, signal)) return 'aborted';
  }
  throw new AppError('store.conflict', `the register of session ${sessionId} keeps changing`, { retryable: true });
}

/** The register while the session may still write; `session.fenced` or `session.not-found` otherwise. */
export async function requirePending(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<HeldRegister> {
  const held = await readRegister(repository, sessionId, signal);
  if (!held) throw notFound(sessionId);
  if (held.register.state !== 'PENDING') throw fenced(sessionId);
  return held;
}

export async function readRegister(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<HeldRegister | undefined> {
  const identity = registerIdentity(repository, sessionId);
  try {
    const { plaintext, etag } = await getSealed(repository, 'control', identity, { signal });
    return { register: decodeRegister(plaintext, identity.key), etag };
  } catch (error) {
    if (isAppError(error, 'store.not-found')) return undefined;
    throw error;
  }
}

/** One compare-and-swap; false when somebody else was first. */
export async function swapRegister(
  repository: Repository,
  sessionId: string,
  held: HeldRegister,
  change: Partial<Register>,
  signal?: AbortSignal,
): Promise<boolean> {
  const identity = registerIdentity(repository, sessionId);
  const next: Register = {
    ...held.register,
    ...change,
    beat: held.register.beat + 1,
    nonce: nonceOf(repository),
  };
  const body = sealObject(repository.keys, identity, encodeRecord(next));
  const result = await repository.stores.control.replace(identity.key, body, held.etag, signalOption(signal));
  return result.outcome === 'replaced';
}

export const fenced = (sessionId: string): AppError =>
  new AppError('session.fenced', `session ${sessionId} has ended; nothing more is written for it`, {
    context: { session: sessionId },
  });

const notFound = (sessionId: string): AppError =>
  new AppError('session.not-found', `there is no session ${sessionId} in the repository`, {
    context: { session: sessionId },
  });

const registerIdentity = (repository: Repository, sessionId: string): ObjectIdentity => ({
  kind: 'register',
  key: registerKey(repository.tenant, sessionId),
});

const nonceOf = (repository: Repository): string => repository.randomBytes(16).toString('hex');
