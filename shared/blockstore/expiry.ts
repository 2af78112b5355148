/**
 * The end of a restore point, and what holds it back: compare-and-swaps of its register and nothing else. Data is deleted by
 * the collector alone, when the time to undo is over.
 */
import type { Hold } from '../format/records';
import { AppError } from '../model/errors';
import { jobIdOfPoint } from '../model/ids';
import type { Repository } from './repository';
import { type HeldRegister, isPublished, readRegister, swapRegister } from './session';

/** Swaps lost in a row before giving up. */
const SWAPS_MAX = 8;

/** Who asks, and why: both stay in the register. */
export interface Request {
  readonly by: string;
  readonly reason: string;
}

/** COMMITTED -> EXPIRED. Safe to repeat. `request.conflict` for a point that is on hold. */
export async function expirePoint(
  repository: Repository,
  pointId: string,
  request: Request,
  signal?: AbortSignal,
): Promise<'expired' | 'already'> {
  return await change(repository, pointId, signal, ({ register }) => {
    if (register.state !== 'COMMITTED') return { result: 'already' as const };
    if (register.hold) {
      throw new AppError(
        'request.conflict',
        `restore point ${pointId} is on hold since ${register.hold.at} (${register.hold.reason}); release it first`,
        { context: { point: pointId } },
      );
    }
    const at = new Date(repository.clock.now()).toISOString();
    return { result: 'expired' as const, next: { ...register, state: 'EXPIRED', expiry: { at, ...request } } };
  });
}

/** EXPIRED -> COMMITTED, while the collector has not given the point up. `request.conflict` when it has. Safe to repeat. */
export async function undoExpiry(
  repository: Repository,
  pointId: string,
  signal?: AbortSignal,
): Promise<'undone' | 'already'> {
  return await change(repository, pointId, signal, ({ register }) => {
    if (register.state === 'COMMITTED') return { result: 'already' as const };
    if (register.state === 'GONE') {
      throw new AppError('request.conflict', `the time to undo the expiry of restore point ${pointId} is over`, {
        context: { point: pointId },
      });
    }
    const { expiry: _expiry, ...rest } = register;
    return { result: 'undone' as const, next: { ...rest, state: 'COMMITTED' } };
  });
}

/** A point on hold expires by no rule and by nobody's hand. The first hold stands. */
export async function holdPoint(
  repository: Repository,
  pointId: string,
  request: Request,
  signal?: AbortSignal,
): Promise<Hold> {
  return await change(repository, pointId, signal, ({ register }) => {
    if (register.state !== 'COMMITTED') {
      throw new AppError('request.conflict', `restore point ${pointId} has expired; undo that first`, {
        context: { point: pointId },
      });
    }
    if (register.hold) return { result: register.hold };
    const hold = { ...request, at: new Date(repository.clock.now()).toISOString() };
    return { result: hold, next: { ...register, hold } };
  });
}

/** Safe to repeat. */
export async function releaseHold(
  repository: Repository,
  pointId: string,
  signal?: AbortSignal,
): Promise<'released' | 'already'> {
  return await change(repository, pointId, signal, ({ register }) => {
    if (!register.hold) return { result: 'already' as const };
    const { hold: _hold, ...rest } = register;
    return { result: 'released' as const, next: rest };
  });
}

async function change<Result>(
  repository: Repository,
  pointId: string,
  signal: AbortSignal | undefined,
  decide: (held: HeldRegister) => { readonly result: Result; readonly next?: HeldRegister['register'] },
): Promise<Result> {
  const sessionId = jobIdOfPoint(pointId);
  for (let swap = 0; swap < SWAPS_MAX; swap++) {
    const held = await readRegister(repository, sessionId, signal);
    if (!held || !isPublished(held.register) || held.register.pointId !== pointId) {
      throw new AppError('request.not-found', `there is no restore point ${pointId}`, { context: { point: pointId } });
    }
    const { result, next } = decide(held);
    if (!next) return result;
    if (await swapRegister(repository, sessionId, { ...held, register: next }, {}, signal)) return result;
  }
  throw new AppError('store.conflict', `the register of restore point ${pointId} keeps changing`, { retryable: true });
}
