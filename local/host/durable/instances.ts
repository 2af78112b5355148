/** Orchestration instances in the database: creation, messages to them, the end of them. All callers hold a transaction. */
import { randomUUID } from 'node:crypto';
import type { Database } from './database';
import {
  EventType,
  event,
  type Failure,
  type HistoryEvent,
  type RetryState,
  taskFailed,
  taskSucceeded,
} from './history';

export type RuntimeStatus = 'Pending' | 'Running' | 'Suspended' | 'Completed' | 'Failed' | 'Terminated';

export interface InstanceRow {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | null;
  readonly status: RuntimeStatus;
  readonly input: string | null;
  readonly output: string | null;
  readonly customStatus: string | null;
  readonly failureDetails: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly handled: number;
  readonly digest: string;
  readonly nextId: number;
  readonly turnAtMs: number;
  readonly parentId: string | null;
  readonly parentExecutionId: string | null;
  readonly parentTaskId: number | null;
}

export interface TaskRow {
  readonly executionId: string;
  readonly taskId: number;
  readonly instanceId: string;
  readonly kind: 'activity' | 'http' | 'timer' | 'child';
  readonly name: string | null;
  readonly input: string | null;
  readonly fireAtMs: number | null;
  readonly position: number | null;
  readonly childId: string | null;
  readonly retry: string | null;
}

export interface NewInstance {
  readonly instanceId: string;
  readonly name: string;
  /** JSON text; undefined when started without input. */
  readonly input: string | undefined;
  readonly version: string | undefined;
  readonly parent?: { readonly instanceId: string; readonly executionId: string; readonly taskId: number };
}

/** An instance of that id exists and has not ended: Azure's default `overridableExistingInstanceStates`. */
export class InstanceExistsError extends Error {}

export function isEnded(status: RuntimeStatus): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Terminated';
}

export function findInstance(db: Database, instanceId: string): InstanceRow | undefined {
  return db.get<InstanceRow>('SELECT * FROM instances WHERE instanceId = ?', instanceId);
}

/** Creates the instance with its first message. An ended one of the same id is replaced, a living one is an error. */
export function createInstance(db: Database, start: NewInstance, at: string): void {
  const existing = findInstance(db, start.instanceId);
  if (existing !== undefined) {
    if (!isEnded(existing.status)) {
      throw new InstanceExistsError(`An orchestration with instance id ${start.instanceId} is already running.`);
    }
    removeInstance(db, existing);
  }
  const executionId = randomUUID().replaceAll('-', '');
  const { parent } = start;
  db.run(
    `INSERT INTO instances (instanceId, executionId, name, version, status, input, createdAt, updatedAt,
      parentId, parentExecutionId, parentTaskId) VALUES (?, ?, ?, ?, 'Pending', ?, ?, ?, ?, ?, ?)`,
    ...[start.instanceId, executionId, start.name, start.version ?? null, start.input ?? null, at, at],
    ...[parent?.instanceId ?? null, parent?.executionId ?? null, parent?.taskId ?? null],
  );
  send(db, start.instanceId, executionId, executionStarted(start, at));
}

export function executionStarted(start: Pick<NewInstance, 'name' | 'input' | 'version'>, at: string): HistoryEvent {
  return event(EventType.executionStarted, at, {
    Name: start.name,
    ...(start.input === undefined ? {} : { Input: start.input }),
    ...(start.version === undefined ? {} : { Version: start.version }),
  });
}

/** Puts an event into the inbox. `executionId` null is for external events, which outlive a generation. */
export function send(
  db: Database,
  instanceId: string,
  executionId: string | null,
  message: HistoryEvent,
  retry?: RetryState,
): void {
  const retryJson = retry === undefined ? null : JSON.stringify(retry);
  db.run(
    'INSERT INTO inbox (instanceId, executionId, event, retry) VALUES (?, ?, ?, ?)',
    ...[instanceId, executionId, JSON.stringify(message), retryJson],
  );
}

/** The result of a task: JSON text of what it returned, or why it failed. */
export type TaskResult = { readonly json: string } | { readonly failure: Failure };

/**
 * Completes a task: its row goes, its event comes, in one transaction. Repeating it is safe: without a row
 * nothing happens. Returns the instance to wake, or undefined when nobody waits any more.
 */
export function completeTask(
  db: Database,
  executionId: string,
  taskId: number,
  result: TaskResult,
  at: string,
): string | undefined {
  const task = db.get<TaskRow>('SELECT * FROM tasks WHERE executionId = ? AND taskId = ?', executionId, taskId);
  if (task === undefined) {
    return undefined;
  }
  db.run('DELETE FROM tasks WHERE executionId = ? AND taskId = ?', executionId, taskId);
  const waiting = findInstance(db, task.instanceId);
  if (waiting === undefined || waiting.executionId !== executionId || isEnded(waiting.status)) {
    return undefined;
  }
  const retry = task.retry === null ? undefined : (JSON.parse(task.retry) as RetryState);
  const isChild = task.kind === 'child';
  const completion =
    'json' in result
      ? taskSucceeded(taskId, result.json, isChild, at)
      : taskFailed(taskId, result.failure, isChild, at);
  const marked = retry === undefined ? completion : { ...completion, retryRoot: retry.rootId };
  send(db, task.instanceId, executionId, marked, retry);
  return task.instanceId;
}

/** Ends an instance and tells its parent. Returns the ids of instances to wake. */
export function endInstance(
  db: Database,
  instance: InstanceRow,
  end: { readonly status: RuntimeStatus; readonly output: string | null; readonly result: TaskResult },
  at: string,
): readonly string[] {
  const details = 'failure' in end.result ? JSON.stringify(end.result.failure) : null;
  db.run(
    'UPDATE instances SET status = ?, output = ?, failureDetails = ?, updatedAt = ? WHERE instanceId = ?',
    ...[end.status, end.output, details, at, instance.instanceId],
  );
  db.run('DELETE FROM inbox WHERE instanceId = ?', instance.instanceId);
  // Activities already scheduled still run, as in Azure; nothing waits for them.
  db.run("DELETE FROM tasks WHERE executionId = ? AND kind IN ('timer', 'child')", instance.executionId);
  if (instance.parentId === null || instance.parentExecutionId === null || instance.parentTaskId === null) {
    return [];
  }
  const parent = completeTask(db, instance.parentExecutionId, instance.parentTaskId, end.result, at);
  return parent === undefined ? [] : [parent];
}

/** Removes every trace of an instance. */
export function removeInstance(db: Database, instance: InstanceRow): void {
  db.run('DELETE FROM history WHERE executionId = ?', instance.executionId);
  db.run('DELETE FROM tasks WHERE executionId = ?', instance.executionId);
  db.run('DELETE FROM inbox WHERE instanceId = ?', instance.instanceId);
  db.run('DELETE FROM instances WHERE instanceId = ?', instance.instanceId);
}
