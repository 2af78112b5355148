/**
 * Waiting operations and locks of entities. All functions run inside the caller's transaction.
 *
 * A lock over several entities is taken one after the other in the order the SDK sorted them, so two
 * orchestrations can never wait for each other. While an entity is locked only its owner's calls pass.
 */
import type { Database } from './database';
import { EventType, event } from './history';
import { findInstance, isEnded, send } from './instances';

/** `callerId` and `callerExecutionId` are null for signals from outside an orchestration. */
export interface EntityMessageRow {
  readonly seq: number;
  readonly entityId: string;
  readonly kind: 'call' | 'signal' | 'lock';
  readonly requestId: string;
  readonly name: string | null;
  readonly input: string | null;
  readonly callerId: string | null;
  readonly callerExecutionId: string | null;
  readonly lockSet: string | null;
}

export interface EntityRow {
  readonly entityId: string;
  readonly present: number;
  readonly state: string | null;
  readonly lockedBy: string | null;
}

/** `input` is JSON text. */
export interface Operation {
  readonly entityId: string;
  readonly requestId: string;
  readonly name: string;
  readonly isSignal: boolean;
  readonly input: string | undefined;
  readonly callerId: string | null;
  readonly callerExecutionId: string | null;
}

export interface LockRequest {
  readonly requestId: string;
  readonly lockSet: readonly string[];
  readonly callerId: string;
  readonly callerExecutionId: string;
}

/** The id of an entity: `@name@key`, the name in lower case, the key as it is. */
export function entityIdOf(name: string, key: string): string {
  return `@${name.toLowerCase()}@${key}`;
}

/** Splits `@name@key`; the key may contain further at signs. */
export function splitEntityId(entityId: string): { readonly name: string; readonly key: string } {
  const end = entityId.indexOf('@', 1);
  return { name: entityId.slice(1, end), key: entityId.slice(end + 1) };
}

export function findEntity(db: Database, entityId: string): EntityRow | undefined {
  return db.get<EntityRow>('SELECT * FROM entities WHERE entityId = ?', entityId);
}

export function enqueueOperation(db: Database, operation: Operation): void {
  db.run(
    `INSERT INTO entityInbox (entityId, kind, requestId, name, input, callerId, callerExecutionId)
      VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ...[operation.entityId, operation.isSignal ? 'signal' : 'call', operation.requestId, operation.name],
    ...[operation.input ?? null, operation.callerId, operation.callerExecutionId],
  );
}

/** Queues a lock request at the first entity of its set and returns that entity's id. */
export function enqueueLock(db: Database, request: LockRequest): string {
  const [first = ''] = request.lockSet;
  db.run(
    `INSERT INTO entityInbox (entityId, kind, requestId, callerId, callerExecutionId, lockSet)
      VALUES (?, 'lock', ?, ?, ?, ?)`,
    ...[first, request.requestId, request.callerId, request.callerExecutionId, JSON.stringify(request.lockSet)],
  );
  return first;
}

/** The messages the entity may take next: operations up to the next lock request, or one lock request, or none. */
export function takeable(db: Database, entityId: string, limit: number): readonly EntityMessageRow[] {
  const owner = findEntity(db, entityId)?.lockedBy ?? null;
  if (owner !== null) {
    return db.all<EntityMessageRow>(
      "SELECT * FROM entityInbox WHERE entityId = ? AND kind <> 'lock' AND callerExecutionId = ? ORDER BY seq LIMIT ?",
      ...[entityId, owner, limit],
    );
  }
  const waiting = db.all<EntityMessageRow>(
    'SELECT * FROM entityInbox WHERE entityId = ? ORDER BY seq LIMIT ?',
    entityId,
    limit,
  );
  const firstLock = waiting.findIndex(({ kind }) => kind === 'lock');
  if (firstLock === 0) {
    return waiting.slice(0, 1);
  }
  return firstLock < 0 ? waiting : waiting.slice(0, firstLock);
}

/** Gives the lock to the head of the queue. Returns whom to look at next: the following entity, or the new owner. */
export function grantLock(db: Database, request: EntityMessageRow, at: string): { entity?: string; instance?: string } {
  const { entityId, callerId, callerExecutionId, requestId } = request;
  db.run('DELETE FROM entityInbox WHERE seq = ?', request.seq);
  const caller = callerId === null ? undefined : findInstance(db, callerId);
  if (caller === undefined || caller.executionId !== callerExecutionId || isEnded(caller.status)) {
    return { entity: entityId };
  }
  db.run(
    `INSERT INTO entities (entityId, present, lockedBy, updatedAt) VALUES (?, 0, ?, ?)
      ON CONFLICT (entityId) DO UPDATE SET lockedBy = excluded.lockedBy`,
    ...[entityId, callerExecutionId, at],
  );
  const lockSet = JSON.parse(request.lockSet ?? '[]') as readonly string[];
  const next = lockSet[lockSet.indexOf(entityId) + 1];
  if (next === undefined) {
    send(db, caller.instanceId, callerExecutionId, event(EventType.eventRaised, at, { Name: requestId, Input: '{}' }));
    return { instance: caller.instanceId };
  }
  db.run(
    `INSERT INTO entityInbox (entityId, kind, requestId, callerId, callerExecutionId, lockSet)
      VALUES (?, 'lock', ?, ?, ?, ?)`,
    ...[next, requestId, callerId, callerExecutionId, request.lockSet],
  );
  return { entity: next };
}

/** Gives back all locks of a generation and withdraws its requests. Returns the entities to look at. */
export function releaseLocks(db: Database, executionId: string): readonly string[] {
  const held = db.all<{ entityId: string }>('SELECT entityId FROM entities WHERE lockedBy = ?', executionId);
  const asked = db.all<{ entityId: string }>(
    "SELECT DISTINCT entityId FROM entityInbox WHERE kind = 'lock' AND callerExecutionId = ?",
    executionId,
  );
  db.run('UPDATE entities SET lockedBy = NULL WHERE lockedBy = ?', executionId);
  db.run("DELETE FROM entityInbox WHERE kind = 'lock' AND callerExecutionId = ?", executionId);
  return [...held, ...asked].map(({ entityId }) => entityId);
}
