/** How far the lock keeper is: one record, changed by compare-and-swap. Losing it costs one run too many. */
import { getSealed, putReplaced, type Repository } from '../blockstore/repository';
import { decodeKeeperState, encodeCollectorRecord, type KeeperState } from '../format/collector-records';
import type { ObjectIdentity } from '../format/seal';
import { keeperStateKey } from '../format/store-keys';
import { isAppError } from '../model/errors';
import type { StoreContext } from './context';

export interface KeeperRun {
  /** Names the run: a later one has another. */
  readonly startedAt: string;
  readonly lockedUntil: string;
}

export type BeginOutcome =
  | { readonly kind: 'begun'; readonly run: KeeperRun }
  | { readonly kind: 'not-now'; readonly why: string };

/**
 * A run is due half a window after the last one began. One that was broken off is begun anew after an eighth: four tries before a
 * lock runs out.
 */
export async function beginRun(
  { repository, signal }: StoreContext,
  windowMs: number,
  options: { readonly force?: boolean } = {},
): Promise<BeginOutcome> {
  const held = await readState(repository, signal);
  const nowMs = repository.clock.now();
  if (held && options.force !== true) {
    const { startedAt, endedAt } = held.state;
    const waitMs = endedAt === undefined ? windowMs / 8 : windowMs / 2;
    if (nowMs - Date.parse(startedAt) < waitMs) {
      const since = endedAt === undefined ? `is under way since ${startedAt}` : `was done at ${endedAt}`;
      return { kind: 'not-now', why: `a run ${since}` };
    }
  }
  const run = {
    startedAt: new Date(nowMs).toISOString(),
    lockedUntil: new Date(nowMs + windowMs).toISOString(),
  };
  const written = await write(repository, { ...run, extended: 0 }, held?.etag, signal);
  return written ? { kind: 'begun', run } : { kind: 'not-now', why: 'another keeper has begun a run meanwhile' };
}

/** False when another run has taken over. */
export async function noteProgress(
  { repository, signal }: StoreContext,
  run: KeeperRun,
  extended: number,
  ended: boolean,
): Promise<boolean> {
  for (;;) {
    const held = await readState(repository, signal);
    if (held?.state.startedAt !== run.startedAt) return false;
    const { startedAt, lockedUntil } = held.state;
    const next = {
      startedAt,
      lockedUntil,
      extended: held.state.extended + extended,
      ...(ended ? { endedAt: new Date(repository.clock.now()).toISOString() } : {}),
    };
    if (await write(repository, next, held.etag, signal)) return true;
  }
}

export async function readState(
  repository: Repository,
  signal?: AbortSignal,
): Promise<{ readonly state: KeeperState; readonly etag: string } | undefined> {
  const identity = identityOf(repository);
  try {
    const { plaintext, etag } = await getSealed(repository, 'control', identity, { signal });
    return { state: decodeKeeperState(plaintext, identity.key), etag };
  } catch (error) {
    if (isAppError(error, 'store.not-found')) return undefined;
    throw error;
  }
}

async function write(
  repository: Repository,
  next: Omit<KeeperState, 'version' | 'nonce'>,
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const state: KeeperState = { version: 1, ...next, nonce: repository.randomBytes(16).toString('hex') };
  return (
    (await putReplaced(repository, identityOf(repository), encodeCollectorRecord(state), etag, signal)) !== undefined
  );
}

const identityOf = (repository: Repository): ObjectIdentity => ({
  kind: 'keeper',
  key: keeperStateKey(repository.tenant),
});
