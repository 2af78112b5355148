/** Every session of the tenant, read anew: what is root, who is waited for. */
import { boundedMap } from '../base/bounded-map';
import { signalOption } from '../blockstore/repository';
import { type HeldRegister, isPublished, readRegister } from '../blockstore/session';
import { tenantPrefix } from '../format/store-keys';
import { AppError } from '../model/errors';
import type { StoreContext } from './context';

const READS_AT_ONCE = 16;
/** Registers read before they are handed on: some megabytes. */
const BATCH = 256;

export interface Session extends HeldRegister {
  readonly sessionId: string;
}

/** In key order. A register that cannot be read is an error: what it may have said decides what is deleted. */
export async function* readSessions(context: StoreContext): AsyncGenerator<Session> {
  const { repository, signal } = context;
  const prefix = `${tenantPrefix(repository.tenant)}s/`;
  let batch: string[] = [];
  for await (const { key } of repository.stores.control.list(prefix, signalOption(signal))) {
    const [sessionId, part] = key.slice(prefix.length).split('/');
    if (sessionId === undefined || part !== 'register') continue;
    batch.push(sessionId);
    if (batch.length < BATCH) continue;
    yield* await readBatch(context, batch);
    batch = [];
  }
  yield* await readBatch(context, batch);
}

/** Sessions with a restore point, live or ended. */
export async function* readPublished(context: StoreContext): AsyncGenerator<Session> {
  for await (const session of readSessions(context)) if (isPublished(session.register)) yield session;
}

const readBatch = (context: StoreContext, ids: readonly string[]): Promise<Session[]> =>
  boundedMap(ids, READS_AT_ONCE, async (sessionId) => {
    const held = await readRegister(context.repository, sessionId, context.signal);
    // Nobody deletes registers: one that was listed and cannot be had is a store that does not keep its word.
    if (!held) throw new AppError('store.mismatch', `the register of session ${sessionId} is listed and is not there`);
    return { ...held, sessionId };
  });
