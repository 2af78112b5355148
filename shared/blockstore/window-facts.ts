/** Finished windows: one fact each in the control bucket, written once. Whoever finds it there has nothing left to do. */
import { boundedMap } from '../base/bounded-map';
import { decodeFact, encodeRecord, type WindowFact } from '../format/records';
import { begunKey, factKey, factPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import type { Lun } from '../model/machine';
import type { TransferStats } from '../model/transfer';
import { getSealed, putSealedOnce, type Repository, signalOption } from './repository';
import { requirePending } from './session';

const READS_AT_ONCE = 16;

export async function readWindowFact(
  repository: Repository,
  sessionId: string,
  window: { readonly lun: Lun; readonly index: number },
  signal?: AbortSignal,
): Promise<WindowFact | undefined> {
  const key = factKey(repository.tenant, sessionId, window.lun, window.index);
  try {
    return await factAt(repository, key, signal);
  } catch (error) {
    if (isAppError(error, 'store.not-found')) return undefined;
    throw error;
  }
}

/**
 * Writes the fact if the session is still open, and returns the one that counts: of two workers on one window the first
 * wins, and the other's leaves and packs stay unreferenced. `session.fenced` when the session has ended.
 */
export async function writeWindowFact(
  repository: Repository,
  sessionId: string,
  fact: WindowFact,
  signal?: AbortSignal,
): Promise<WindowFact> {
  await requirePending(repository, sessionId, signal);
  const key = factKey(repository.tenant, sessionId, fact.lun, fact.index);
  const { written } = await putSealedOnce(repository, 'control', { kind: 'fact', key }, encodeRecord(fact), signal);
  return written ? fact : await factAt(repository, key, signal);
}

/** Every finished window of the session, in key order. */
export async function listFinishedWindows(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<{ readonly lun: Lun; readonly index: number; readonly stats: TransferStats; readonly note?: string }[]> {
  const keys: string[] = [];
  const prefix = factPrefix(repository.tenant, sessionId);
  for await (const { key } of repository.stores.control.list(prefix, signalOption(signal))) keys.push(key);
  return await boundedMap(keys, READS_AT_ONCE, async (key) => {
    const { lun, index, stats, note } = await factAt(repository, key, signal);
    return { lun, index, stats, ...(note === undefined ? {} : { note }) };
  });
}

/** Which windows are finished, from one LIST: cheap enough to poll for. */
export async function listFinishedWindowNames(
  repository: Repository,
  sessionId: string,
  signal?: AbortSignal,
): Promise<{ readonly lun: Lun; readonly index: number }[]> {
  const names: { lun: Lun; index: number }[] = [];
  const prefix = factPrefix(repository.tenant, sessionId);
  for await (const { key } of repository.stores.control.list(prefix, signalOption(signal))) {
    const match = /^(os|\d{1,2})-(\d+)$/.exec(key.slice(prefix.length));
    if (!match)
      throw new AppError('manifest.corrupt', `${key} is not the name of a window`, { context: { object: key } });
    names.push({ lun: match[1] === 'os' ? 'os' : Number(match[1]), index: Number(match[2]) });
  }
  return names;
}

/** Marks that a restore window has begun. True for the first who does so: then the target holds nothing of this window yet. */
export async function markBegun(
  repository: Repository,
  sessionId: string,
  window: { readonly lun: Lun; readonly index: number },
  signal?: AbortSignal,
): Promise<boolean> {
  const key = begunKey(repository.tenant, sessionId, window.lun, window.index);
  const mark = repository.randomBytes(16);
  return (await putSealedOnce(repository, 'control', { kind: 'begun', key }, mark, signal)).written;
}

async function factAt(repository: Repository, key: string, signal?: AbortSignal): Promise<WindowFact> {
  const { plaintext } = await getSealed(repository, 'control', { kind: 'fact', key }, { signal });
  const fact = decodeFact(plaintext, key);
  if (!key.endsWith(`/${fact.lun}-${fact.index}`)) {
    throw new AppError('manifest.corrupt', `${key} tells of another window`, { context: { object: key } });
  }
  return fact;
}
