/**
 * The collector's state as everyone sees it: which epoch it is, and which condemned list is in force. Whoever begins a session
 * reads it before and after it registers; only the collector changes it.
 */
import {
  type CollectorState,
  type CycleList,
  decodeCollectorState,
  decodeCycleList,
  encodeCollectorRecord,
} from '../format/collector-records';
import type { ObjectRef } from '../format/records';
import type { ObjectIdentity } from '../format/seal';
import { collectorPrefix, collectorStateKey, pointPrefix, tenantPrefix } from '../format/store-keys';
import { decodeUnitList, type ListedUnit } from '../format/unit-list';
import { AppError, isAppError } from '../model/errors';
import { getSealed, putReplaced, type Repository, signalOption } from './repository';

export interface HeldCollectorState {
  readonly state: CollectorState;
  readonly etag: string;
}

export async function readCollectorState(
  repository: Repository,
  signal?: AbortSignal,
): Promise<HeldCollectorState | undefined> {
  const identity = stateIdentity(repository);
  try {
    const { plaintext, etag } = await getSealed(repository, 'control', identity, { signal });
    return { state: decodeCollectorState(plaintext, identity.key), etag };
  } catch (error) {
    if (isAppError(error, 'store.not-found')) return undefined;
    throw error;
  }
}

/**
 * The state, made when the tenant is new. A state that is missing although the tenant has sessions or restore points was
 * lost, and with it perhaps a condemned list: `store.mismatch`, and nothing goes on before the control bucket is rebuilt.
 */
export async function requireCollectorState(repository: Repository, signal?: AbortSignal): Promise<HeldCollectorState> {
  const held = await readCollectorState(repository, signal);
  if (held) return held;
  const { tenant, stores } = repository;
  const traces = [
    [stores.control, collectorPrefix(tenant)],
    [stores.control, `${tenantPrefix(tenant)}s/`],
    [stores.data, pointPrefix(tenant)],
  ] as const;
  for (const [store, prefix] of traces) {
    for await (const { key } of store.list(prefix, signalOption(signal))) {
      // Another session of a new tenant may have made it by now.
      const made = await readCollectorState(repository, signal);
      if (made) return made;
      throw new AppError(
        'store.mismatch',
        `the collector's state of this tenant is missing, but ${key} is there: the control bucket has lost objects; rebuild it (docs/operations.md)`,
        { context: { object: key } },
      );
    }
  }
  const state: CollectorState = { version: 1, epoch: 0, phase: 'IDLE', nonce: nonceOf(repository) };
  await putReplaced(repository, stateIdentity(repository), encodeCollectorRecord(state), undefined, signal);
  const created = await readCollectorState(repository, signal);
  if (created) return created;
  throw new AppError('store.unavailable', "the collector's state was written and is not there", { retryable: true });
}

/** One compare-and-swap (a creation without `held`); undefined when somebody else was first. */
export async function swapCollectorState(
  repository: Repository,
  held: HeldCollectorState | undefined,
  next: Omit<CollectorState, 'version' | 'nonce'>,
  signal?: AbortSignal,
): Promise<HeldCollectorState | undefined> {
  const state: CollectorState = { version: 1, ...next, nonce: nonceOf(repository) };
  const body = encodeCollectorRecord(state);
  const etag = await putReplaced(repository, stateIdentity(repository), body, held?.etag, signal);
  return etag === undefined ? undefined : { state, etag };
}

/** The list that a state or a register names. `manifest.corrupt` unless it is exactly that one, and of that purpose. */
export async function readCycleList(
  repository: Repository,
  ref: ObjectRef,
  purpose: CycleList['purpose'],
  signal?: AbortSignal,
): Promise<CycleList> {
  const key = tenantPrefix(repository.tenant) + ref.key;
  const { plaintext } = await getSealed(repository, 'control', { kind: 'cycle', key }, { signal, digest: ref.digest });
  const list = decodeCycleList(plaintext, key);
  if (list.purpose === purpose) return list;
  throw new AppError('manifest.corrupt', `${key} is a list of what is ${list.purpose}, not ${purpose}`, {
    context: { object: key },
  });
}

/** The parts of a list one after another, each as it was written. */
export async function* readListParts(
  repository: Repository,
  list: CycleList,
  signal?: AbortSignal,
): AsyncGenerator<readonly ListedUnit[]> {
  for (const part of list.parts) {
    const key = tenantPrefix(repository.tenant) + part.key;
    const { plaintext } = await getSealed(
      repository,
      'control',
      { kind: 'units', key },
      { signal, digest: part.digest },
    );
    const units = decodeUnitList(plaintext, key);
    if (units.length !== part.units) {
      throw new AppError('manifest.corrupt', `${key} has ${units.length} entries, its list says ${part.units}`, {
        context: { object: key },
      });
    }
    yield units;
  }
}

const stateIdentity = (repository: Repository): ObjectIdentity => ({
  kind: 'collector',
  key: collectorStateKey(repository.tenant),
});

const nonceOf = (repository: Repository): string => repository.randomBytes(16).toString('hex');
