/** Turns an orchestrator's new actions into rows and messages, and into the history events that record them. */
import { randomUUID } from 'node:crypto';
import { type Action, ActionType, type NumberedAction } from './actions';
import type { Database } from './database';
import { enqueueLock, enqueueOperation, releaseLocks } from './entity-inbox';
import { EventType, event, type HistoryEvent, type RetryState } from './history';
import { completeTask, createInstance, InstanceExistsError, type InstanceRow, type TaskRow } from './instances';
import type { TurnPlan } from './turn-plan';

/** What became ready by a transaction: the engine looks at these after it. */
export interface Woken {
  readonly instances: Set<string>;
  readonly entities: Set<string>;
  readonly tasks: TaskRow[];
}

export function newWoken(): Woken {
  return { instances: new Set(), entities: new Set(), tasks: [] };
}

/** `at` is the turn's time; `defaultVersion` is what children get when their caller names none. */
export interface Scheduling {
  readonly db: Database;
  readonly instance: InstanceRow;
  readonly at: string;
  readonly woken: Woken;
  readonly defaultVersion: string | undefined;
}

/** Schedules all that the plan asks for. Returns the events in order of their ids. */
export function scheduleAll(context: Scheduling, plan: TurnPlan): readonly HistoryEvent[] {
  const events = plan.calls.flatMap((call) => schedule(context, call));
  for (const { id, fireAtMs, retry } of plan.retryTimers) {
    events.push(addTimer(context, id, { fireAtMs, position: null, retry }));
  }
  for (const { id, retry } of plan.retryCalls) {
    const { kind, name, input } = retry;
    events.push(
      kind === 'child'
        ? addChild(context, id, { name, input, childId: retry.childId, version: retry.version, retry })
        : addWork(context, id, { kind, name, input, retry }),
    );
  }
  return events.toSorted((a, b) => a.EventId - b.EventId);
}

function schedule(context: Scheduling, call: NumberedAction): HistoryEvent[] {
  const { action, id } = call;
  const name = action.functionName ?? '';
  switch (action.actionType) {
    case ActionType.callActivity:
    case ActionType.callActivityWithRetry: {
      const input = activityInput(action);
      return [
        addWork(context, id, { kind: 'activity', name, input, retry: startRetry('activity', action, id, input) }),
      ];
    }
    case ActionType.callHttp: {
      const input = JSON.stringify(action.httpRequest ?? null);
      return [addWork(context, id, { kind: 'http', name: 'callHttp', input, retry: undefined })];
    }
    case ActionType.callSubOrchestrator:
    case ActionType.callSubOrchestratorWithRetry: {
      const input = JSON.stringify(action.input ?? null);
      const retry = startRetry('child', action, id, input);
      return [addChild(context, id, { name, input, childId: action.instanceId, version: action.version, retry })];
    }
    case ActionType.createTimer: {
      const fireAt = action.fireAt ?? context.at;
      return [
        action.isCanceled === true
          ? event(EventType.timerCreated, context.at, { EventId: id, FireAt: fireAt })
          : addTimer(context, id, { fireAtMs: Date.parse(fireAt), position: call.position, retry: undefined }),
      ];
    }
    case ActionType.callEntity:
    case ActionType.signalEntity:
      return [operate(context, call)];
    case ActionType.lockEntities:
      return [lock(context, call)];
    case ActionType.releaseEntities:
      for (const entityId of releaseLocks(context.db, context.instance.executionId)) {
        context.woken.entities.add(entityId);
      }
      return [];
    default:
      return [];
  }
}

/** The SDK turns a string input into JSON text itself; every other input is a plain value. */
function activityInput(action: Action): string {
  return typeof action.input === 'string' ? action.input : JSON.stringify(action.input ?? null);
}

function startRetry(kind: RetryState['kind'], action: Action, rootId: number, input: string): RetryState | undefined {
  if (action.retryOptions === undefined) {
    return undefined;
  }
  const { functionName: name = '', retryOptions: options, instanceId, version } = action;
  return {
    ...{ rootId, kind, name, input, options, failures: 0 },
    ...(instanceId === undefined ? {} : { childId: instanceId }),
    ...(version === undefined ? {} : { version }),
  };
}

interface Work {
  readonly kind: 'activity' | 'http';
  readonly name: string;
  readonly input: string;
  readonly retry: RetryState | undefined;
}

/** Queues an activity or http call. */
export function addWork(context: Scheduling, id: number, work: Work): HistoryEvent {
  const { kind, name, input, retry } = work;
  context.woken.tasks.push(insertTask(context, id, { kind, name, input, retry: jsonOf(retry) }));
  return event(EventType.taskScheduled, context.at, {
    EventId: id,
    Name: name,
    Input: input,
    again: { kind, ...(retry && { retry }) },
  });
}

interface Timer {
  readonly fireAtMs: number;
  readonly position: number | null;
  readonly retry: RetryState | undefined;
}

export function addTimer(context: Scheduling, id: number, timer: Timer): HistoryEvent {
  const { fireAtMs, position, retry } = timer;
  insertTask(context, id, { kind: 'timer', fireAtMs, position, retry: jsonOf(retry) });
  const FireAt = new Date(fireAtMs).toISOString();
  return event(EventType.timerCreated, context.at, {
    EventId: id,
    FireAt,
    again: { kind: 'timer', ...(retry && { retry }) },
  });
}

interface Child {
  readonly name: string;
  readonly input: string;
  readonly childId: string | null | undefined;
  readonly version: string | undefined;
  readonly retry: RetryState | undefined;
}

function addChild(context: Scheduling, id: number, child: Child): HistoryEvent {
  const { db, instance, at, woken } = context;
  const { executionId } = instance;
  // As the durable task framework: unnamed children are named after the parent's generation and the task.
  const childId = child.childId || `${executionId}:${id.toString(16).padStart(4, '0')}`;
  insertTask(context, id, { kind: 'child', name: child.name, childId, retry: jsonOf(child.retry) });
  const start = {
    instanceId: childId,
    name: child.name,
    input: child.input,
    version: child.version ?? context.defaultVersion,
  };
  try {
    createInstance(db, { ...start, parent: { instanceId: instance.instanceId, executionId, taskId: id } }, at);
    woken.instances.add(childId);
  } catch (error) {
    if (!(error instanceof InstanceExistsError)) {
      throw error;
    }
    completeTask(db, executionId, id, { failure: { reason: error.message, text: error.message } }, at);
    woken.instances.add(instance.instanceId);
  }
  const again = { kind: 'child', childId, ...(child.retry && { retry: child.retry }) };
  return event(EventType.childCreated, at, {
    EventId: id,
    Name: child.name,
    InstanceId: childId,
    Input: child.input,
    again,
  });
}

function operate(context: Scheduling, { action, id }: NumberedAction): HistoryEvent {
  const { instanceId: callerId, executionId: callerExecutionId } = context.instance;
  const isSignal = action.actionType === ActionType.signalEntity;
  const operation = {
    ...{ entityId: action.instanceId ?? '', requestId: randomUUID(), name: action.operation ?? '', isSignal },
    input: action.input === undefined ? undefined : JSON.stringify(action.input),
    ...{ callerId, callerExecutionId },
  };
  enqueueOperation(context.db, operation);
  context.woken.entities.add(operation.entityId);
  return sent(context, id, operation.entityId, operation.name, operation.requestId);
}

function lock(context: Scheduling, { action, id }: NumberedAction): HistoryEvent {
  const { instanceId: callerId, executionId: callerExecutionId } = context.instance;
  const lockSet = (action.lockSet ?? []).map(({ name, key }) => `@${name.toLowerCase()}@${key}`);
  const requestId = action.lockRequestId ?? randomUUID();
  const first = enqueueLock(context.db, { requestId, lockSet, callerId, callerExecutionId });
  context.woken.entities.add(first);
  return sent(context, id, first, 'lock', requestId);
}

/** The SDK re-keys the waiting task by the request id it finds in `Input`; the answer is raised under that name. */
function sent(context: Scheduling, id: number, entityId: string, name: string, requestId: string): HistoryEvent {
  const fields = { EventId: id, InstanceId: entityId, Name: name, Input: JSON.stringify({ id: requestId, op: name }) };
  return event(EventType.eventSent, context.at, fields);
}

function insertTask(context: Scheduling, taskId: number, fields: Pick<TaskRow, 'kind'> & Partial<TaskRow>): TaskRow {
  const { executionId, instanceId } = context.instance;
  const empty = { name: null, input: null, fireAtMs: null, position: null, childId: null, retry: null };
  const task: TaskRow = { executionId, taskId, instanceId, ...empty, ...fields };
  context.db.run(
    `INSERT INTO tasks (executionId, taskId, instanceId, kind, name, input, fireAtMs, position, childId, retry)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[task.executionId, task.taskId, task.instanceId, task.kind, task.name, task.input],
    ...[task.fireAtMs, task.position, task.childId, task.retry],
  );
  return task;
}

function jsonOf(retry: RetryState | undefined): string | null {
  return retry === undefined ? null : JSON.stringify(retry);
}
