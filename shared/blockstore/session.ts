/**
 * Sessions: one register each in the control bucket, changed by compare-and-swap only.
 *
 *   (none) --open--> PENDING --publish--> COMMITTED <--undo-- EXPIRED --collector--> GONE
 *                       |                     +------expire------^
 *                       +-----abort-----> ABORTED          the fence: nothing of the session can be published any more
 *
 * From COMMITTED on the restore point exists; EXPIRED it can be had back, GONE it cannot: its packs may be deleted.
 *
 * Whoever writes for a session looks at the register first; what a fenced writer has still put down is never referenced by a
 * published point, because publishing is itself a swap from PENDING.
 */
import type { CollectorState } from '../format/collector-records';
import { decodeRegister, encodeRecord, type Register, type SessionKind, type SessionState } from '../format/records';
import { type ObjectIdentity, sealObject } from '../format/seal';
import { registerKey } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { requireCollectorState } from './collector-state';
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

/**
 * Creates the register, or finds it, and has it admitted: safe to repeat. `session.fenced` when it was aborted,
 * `store.mismatch` when the collector's state is lost.
 *
 *   B1  state of the collector -> epoch, lists in force
 *   B2  register {PENDING, epoch, lists}
 *   B3  state again: the same epoch -> admitted; another -> the register moves on to it, and from B2 again
 *
 * Why the second look: a list that was published between B1 and B2 knows nothing of this register, and this session nothing
 * of the list. Before it is admitted a session has read and written nothing, so moving on is as good as beginning anew.
 */
export async function openSession(
  repository: Repository,
  request: SessionRequest,
  signal?: AbortSignal,
): Promise<{ readonly state: SessionState }> {
  const { sessionId, kind, vmKey } = request;
  let seen = (await requireCollectorState(repository, signal)).state;
  const first: Register = {
    version: 1,
    kind,
    vmKey,
    ...viewOf(seen),
    state: 'PENDING',
    admitted: false,
    beat: 0,
    nonce: nonceOf(repository),
  };
  const identity = registerIdentity(repository, sessionId);
  const body = sealObject(repository.keys, identity, encodeRecord(first));
  await repository.stores.control.putOnce(identity.key, body, signalOption(signal));
  for (let swap = 0; swap < SWAPS_MAX; swap++) {
    const held = await readRegister(repository, sessionId, signal);
    if (!held) throw notFound(sessionId);
    const { register } = held;
    if (register.state === 'ABORTED') throw fenced(sessionId);
    if (register.kind !== kind || register.vmKey !== vmKey) {
      throw new AppError('store.conflict', `session ${sessionId} belongs to another job`, {
        context: { session: sessionId },
      });
    }
    if (register.state !== 'PENDING' || register.admitted) return { state: register.state };
    seen = (await requireCollectorState(repository, signal)).state;
    // A register of another epoch, or of a list that is in force no more, moves on; then the state is looked at once more.
    const admitted = register.epoch === seen.epoch;
    const { condemned: _condemned, replaced: _replaced, ...rest } = register;
    const next = admitted ? { ...register, admitted } : { ...rest, ...viewOf(seen) };
    await swapRegister(repository, sessionId, { ...held, register: next }, {}, signal);
  }
  throw new AppError('store.conflict', `session ${sessionId} was not admitted: the collector's epoch keeps changing`, {
    retryable: true,
  });
}

/** What a session that begins now must not see. Idle, the collector's lists are in force no more. */
const viewOf = ({
  epoch,
  condemned,
  replaced,
}: CollectorState): Pick<Register, 'epoch' | 'condemned' | 'replaced'> => ({
  epoch,
  ...(condemned === undefined ? {} : { condemned }),
  ...(replaced === undefined ? {} : { replaced }),
});

/**
 * Says that the session is alive, unless somebody has said so since `seen` (the etag of an earlier look). The collector fences
 * sessions whose register stands still. `session.fenced` when it has ended. Result: the etag of now.
 */
export async function beatSession(
  repository: Repository,
  sessionId: string,
  seen: string | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const held = await requirePending(repository, sessionId, signal);
  if (seen === undefined || held.etag !== seen) return held.etag;
  await swapRegister(repository, sessionId, held, {}, signal);
  // Lost to another beat is as good; lost to a fence shows here.
  return (await requirePending(repository, sessionId, signal)).etag;
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
    if (isPublished(held.register)) return 'committed';
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
  if (!held.register.admitted) {
    throw new AppError('store.conflict', `session ${sessionId} is not admitted yet`, { retryable: true });
  }
  return held;
}

/** Whether the session has a restore point, live or ended. */
export const isPublished = ({ state }: Pick<Register, 'state'>): boolean =>
  state === 'COMMITTED' || state === 'EXPIRED' || state === 'GONE';

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
