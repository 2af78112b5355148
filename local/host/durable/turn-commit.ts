/**
 * Writes a turn's plan: history, new tasks, messages, outcome. Runs inside ONE transaction, so that after a kill a
 * turn either happened with all its consequences or did not happen at all.
 */
import { randomUUID } from 'node:crypto';
import type { Database } from './database';
import { releaseLocks } from './entity-inbox';
import { EventType, event, type HistoryEvent } from './history';
import { endInstance, executionStarted, type InstanceRow, send } from './instances';
import type { InboxMessage, TurnPlan } from './turn-plan';
import { newWoken, scheduleAll, type Woken } from './turn-schedule';

export interface TurnCommit {
  readonly instance: InstanceRow;
  readonly batch: readonly InboxMessage[];
  readonly plan: TurnPlan;
  readonly atMs: number;
  readonly defaultVersion: string | undefined;
}

/** A raised event in the history remembers its inbox number, so that continue-as-new can put it back in its place. */
export type StoredEvent = HistoryEvent & { readonly inboxSeq?: number };

/** Applies the plan. The caller has checked that the instance is still in the generation the turn ran for. */
export function commitTurn(
  db: Database,
  commit: TurnCommit,
): { readonly woken: Woken; readonly added: readonly StoredEvent[] } {
  const { instance, batch, plan, atMs } = commit;
  const { executionId, instanceId } = instance;
  const at = new Date(atMs).toISOString();
  const woken = newWoken();
  const carried = new Set(plan.outcome.kind === 'continued' ? plan.outcome.carriedSeqs : []);
  for (const { seq } of batch.filter((message) => !carried.has(message.seq))) {
    db.run('DELETE FROM inbox WHERE seq = ?', seq);
  }
  const scheduled = scheduleAll({ db, instance, at, woken, defaultVersion: commit.defaultVersion }, plan);
  for (const position of plan.cancelledTimers) {
    db.run("DELETE FROM tasks WHERE executionId = ? AND kind = 'timer' AND position = ?", executionId, position);
  }
  const before = { handled: instance.handled, digest: instance.digest, nextId: instance.nextId };
  const added: StoredEvent[] = [
    event(EventType.orchestratorStarted, at, { before }),
    ...batch.map((message) => (message.isExternal ? { ...message.event, inboxSeq: message.seq } : message.event)),
    ...scheduled,
    event(EventType.orchestratorCompleted, at),
  ];
  recordTurn(db, commit, at);
  if (plan.outcome.kind === 'continued') {
    continueAsNew(db, instance, plan.outcome.input, carried, at);
    woken.instances.add(instanceId);
  } else {
    added.push(...endEvents(plan, at));
    appendHistory(db, executionId, added);
    for (const parentId of finish(db, instance, plan, at)) {
      woken.instances.add(parentId);
    }
  }
  if (plan.outcome.kind !== 'running') {
    for (const entityId of releaseLocks(db, executionId)) {
      woken.entities.add(entityId);
    }
  }
  return { woken, added };
}

function recordTurn(db: Database, { instance, plan, atMs }: TurnCommit, at: string): void {
  const { handled, digest, nextId } = plan.counters;
  const status = instance.status === 'Suspended' ? 'Suspended' : 'Running';
  const customStatus = plan.customStatus === undefined ? instance.customStatus : JSON.stringify(plan.customStatus);
  db.run(
    `UPDATE instances SET status = ?, handled = ?, digest = ?, nextId = ?, turnAtMs = ?, updatedAt = ?, customStatus = ?
      WHERE instanceId = ?`,
    ...[status, handled, digest, nextId, atMs, at, customStatus, instance.instanceId],
  );
}

function appendHistory(db: Database, executionId: string, events: readonly StoredEvent[]): void {
  const sql = 'SELECT coalesce(max(seq), -1) + 1 AS next FROM history WHERE executionId = ?';
  const first = db.get<{ next: number }>(sql, executionId)?.next ?? 0;
  events.forEach((item, index) => {
    const insert = 'INSERT INTO history (executionId, seq, event) VALUES (?, ?, ?)';
    db.run(insert, executionId, first + index, JSON.stringify(item));
  });
}

function endEvents({ outcome }: TurnPlan, at: string): readonly HistoryEvent[] {
  if (outcome.kind === 'completed') {
    return [event(EventType.executionCompleted, at, { Result: JSON.stringify(outcome.output ?? null) })];
  }
  return outcome.kind === 'failed' ? [event(EventType.executionCompleted, at, { Reason: outcome.failure.reason })] : [];
}

function finish(db: Database, instance: InstanceRow, { outcome }: TurnPlan, at: string): readonly string[] {
  if (outcome.kind === 'completed') {
    const output = JSON.stringify(outcome.output ?? null);
    return endInstance(db, instance, { status: 'Completed', output, result: { json: output } }, at);
  }
  if (outcome.kind === 'failed') {
    const reason = `Orchestrator function '${instance.name}' failed: ${outcome.failure.reason}`;
    // The SDK joins reason and text: repeating one in the other would double the message at every level of parents.
    const failure = { ...outcome.failure, reason, text: '' };
    const output = JSON.stringify(reason);
    return endInstance(db, instance, { status: 'Failed', output, result: { failure } }, at);
  }
  return [];
}

/** A fresh generation in place of the old: new execution id, empty history, unconsumed external events in their order. */
function continueAsNew(
  db: Database,
  instance: InstanceRow,
  input: string,
  carried: ReadonlySet<number>,
  at: string,
): void {
  const { instanceId, executionId: oldId, name, version } = instance;
  const executionId = randomUUID().replaceAll('-', '');
  for (const row of db.all<{ event: string }>('SELECT event FROM history WHERE executionId = ?', oldId)) {
    const { inboxSeq, ...item } = JSON.parse(row.event) as StoredEvent;
    if (inboxSeq !== undefined && carried.has(inboxSeq)) {
      const insert = 'INSERT INTO inbox (seq, instanceId, executionId, event) VALUES (?, ?, NULL, ?)';
      db.run(insert, inboxSeq, instanceId, JSON.stringify(item));
    }
  }
  db.run('DELETE FROM history WHERE executionId = ?', oldId);
  db.run("DELETE FROM tasks WHERE executionId = ? AND kind IN ('timer', 'child')", oldId);
  const update =
    "UPDATE instances SET executionId = ?, input = ?, handled = 0, digest = '', nextId = 0 WHERE instanceId = ?";
  db.run(update, executionId, input, instanceId);
  send(db, instanceId, executionId, executionStarted({ name, input, version: version ?? undefined }, at));
}
