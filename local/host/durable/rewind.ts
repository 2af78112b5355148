/**
 * Rewind: a failed orchestration goes back to just before its first fatal failure and tries from there again.
 *
 * The history is cut before the turn that received the failure (for a retried call: its first failed attempt), the
 * counters are those noted at that turn's start, and what was pending then is made pending again. Results that
 * arrived later for tasks scheduled before the cut are delivered again instead of being worked for again; a failed
 * child is rewound the same way.
 */
import type { Database } from './database';
import { EventType, type HistoryEvent, isFailure, type RetryState } from './history';
import { findInstance, type InstanceRow, send, type TaskRow } from './instances';
import type { StoredEvent } from './turn-commit';
import { newWoken, type Woken } from './turn-schedule';

export interface Rewound {
  readonly woken: Woken;
  readonly executionIds: string[];
}

/** Call inside a transaction, for an instance whose status is Failed. */
export function rewind(db: Database, instance: InstanceRow, at: string): Rewound {
  const rewound: Rewound = { woken: newWoken(), executionIds: [] };
  rewindInto(db, instance, at, rewound);
  return rewound;
}

function rewindInto(db: Database, instance: InstanceRow, at: string, rewound: Rewound): void {
  const { executionId, instanceId } = instance;
  const rows = db.all<{ event: string }>('SELECT event FROM history WHERE executionId = ? ORDER BY seq', executionId);
  const history = rows.map((row) => JSON.parse(row.event) as StoredEvent);
  const cut = cutBefore(history);
  const kept = history.slice(0, cut);
  const dropped = history.slice(cut);
  const counters = dropped[0]?.before ?? { handled: 0, digest: '', nextId: 0 };

  db.run('DELETE FROM history WHERE executionId = ? AND seq >= ?', executionId, cut);
  db.run('DELETE FROM inbox WHERE instanceId = ?', instanceId);
  db.run('DELETE FROM tasks WHERE executionId = ?', executionId);
  db.run(
    `UPDATE instances SET status = 'Running', output = NULL, failureDetails = NULL, handled = ?, digest = ?, nextId = ?,
      updatedAt = ? WHERE instanceId = ?`,
    ...[counters.handled, counters.digest, counters.nextId, at, instanceId],
  );
  redeliver(db, instance, dropped);
  restorePending(db, instance, kept, dropped, at, rewound);
  rewound.executionIds.push(executionId);
  rewound.woken.instances.add(instanceId);
}

/** Index of the OrchestratorStarted of the turn that received the first fatal failure; of the last turn if none did. */
function cutBefore(history: readonly StoredEvent[]): number {
  const succeeded = new Set(
    history.filter((item) => !isFailure(item) && item.TimerId === undefined).map((item) => item.retryRoot),
  );
  const fatal = history.findIndex(
    (item) => isFailure(item) && (item.retryRoot === undefined || !succeeded.has(item.retryRoot)),
  );
  const before = fatal < 0 ? history : history.slice(0, fatal);
  return Math.max(
    before.findLastIndex((item) => item.EventType === EventType.orchestratorStarted),
    0,
  );
}

/** External events, entity answers and the start itself are facts: what was cut of them is delivered again. */
function redeliver(db: Database, instance: InstanceRow, dropped: readonly StoredEvent[]): void {
  for (const item of dropped) {
    const { inboxSeq, ...plain } = item;
    if (item.EventType === EventType.eventRaised || item.EventType === EventType.executionStarted) {
      send(db, instance.instanceId, inboxSeq === undefined ? instance.executionId : null, plain);
    }
  }
}

function restorePending(
  db: Database,
  instance: InstanceRow,
  kept: readonly StoredEvent[],
  dropped: readonly StoredEvent[],
  at: string,
  rewound: Rewound,
): void {
  const idOf = (item: HistoryEvent): number | undefined => item.TaskScheduledId ?? item.TimerId;
  const done = new Set(kept.map(idOf));
  const later = new Map(dropped.map((item) => [idOf(item), item]));
  for (const scheduled of kept) {
    const { again, EventId: taskId } = scheduled;
    if (again === undefined || done.has(taskId)) {
      continue;
    }
    const completion = later.get(taskId);
    if (completion !== undefined && !isFailure(completion)) {
      send(db, instance.instanceId, instance.executionId, completion, again.retry);
      continue;
    }
    const task = taskOf(instance, scheduled, again);
    if (task.kind === 'child') {
      const child = task.childId === null ? undefined : findInstance(db, task.childId);
      if (child?.status === 'Failed') {
        rewindInto(db, child, at, rewound);
      }
    }
    insert(db, task);
    if (task.kind === 'activity' || task.kind === 'http') {
      rewound.woken.tasks.push(task);
    }
  }
}

function taskOf(instance: InstanceRow, item: HistoryEvent, again: NonNullable<HistoryEvent['again']>): TaskRow {
  return {
    executionId: instance.executionId,
    taskId: item.EventId,
    instanceId: instance.instanceId,
    kind: again.kind as TaskRow['kind'],
    name: item.Name ?? null,
    input: item.Input ?? null,
    fireAtMs: item.FireAt === undefined ? null : Date.parse(item.FireAt),
    // A rewound orchestrator cancels by position; the position of a restored user timer is not kept, it just fires.
    position: null,
    childId: again.childId ?? null,
    retry: again.retry === undefined ? null : JSON.stringify(again.retry satisfies RetryState),
  };
}

function insert(db: Database, task: TaskRow): void {
  db.run(
    `INSERT INTO tasks (executionId, taskId, instanceId, kind, name, input, fireAtMs, position, childId, retry)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[task.executionId, task.taskId, task.instanceId, task.kind, task.name, task.input],
    ...[task.fireAtMs, task.position, task.childId, task.retry],
  );
}
