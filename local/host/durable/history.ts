/**
 * History events, as the SDK reads them, and the retry state that travels with them.
 *
 * Names in PascalCase are the protocol's (durable-functions 3.5.0, `history/HistoryEventType.js`).
 * Names in camelCase are the engine's own notes; the SDK ignores fields it does not know.
 */
import type { RetryOptions } from './actions';

export const EventType = {
  executionStarted: 0,
  executionCompleted: 1,
  taskScheduled: 4,
  taskCompleted: 5,
  taskFailed: 6,
  childCreated: 7,
  childCompleted: 8,
  childFailed: 9,
  timerCreated: 10,
  timerFired: 11,
  orchestratorStarted: 12,
  orchestratorCompleted: 13,
  eventSent: 14,
  eventRaised: 15,
} as const;

export interface HistoryEvent {
  readonly EventType: number;
  readonly EventId: number;
  readonly IsPlayed: boolean;
  readonly Timestamp: string;
  readonly Name?: string;
  readonly Input?: string;
  readonly Version?: string;
  readonly TaskScheduledId?: number;
  readonly TimerId?: number;
  readonly FireAt?: string;
  readonly Result?: string;
  readonly Reason?: string;
  readonly Details?: string;
  readonly FailureDetails?: unknown;
  readonly InstanceId?: string;
  /** On OrchestratorStarted: where the engine's counters stood before the turn, for rewind. */
  readonly before?: TurnCounters;
  /** On scheduling events: what is needed to schedule the same again, for rewind. */
  readonly again?: { readonly kind: string; readonly retry?: RetryState; readonly childId?: string };
  /** On completions: the retry group they belong to, for rewind. */
  readonly retryRoot?: number;
}

/** Counters of an instance between two turns. */
export interface TurnCounters {
  readonly handled: number;
  readonly digest: string;
  readonly nextId: number;
}

/**
 * Where a retried call stands. To the SDK the whole group is one action; every failure silently takes an id for
 * the timer and every further attempt one for the call (`task/RetryableTask.js`).
 */
export interface RetryState {
  readonly rootId: number;
  readonly kind: 'activity' | 'child';
  readonly name: string;
  /** Input as JSON text. */
  readonly input: string;
  readonly options: RetryOptions;
  readonly failures: number;
  readonly childId?: string;
  readonly version?: string;
}

/** Why a task failed, in the terms of TaskFailed. `details` are only set when the app provides exception properties. */
export interface Failure {
  readonly reason: string;
  readonly text: string;
  readonly details?: unknown;
}

/** `EventId` -1 marks events that carry no id of their own, as in the durable task framework. */
export function event(type: number, at: string, fields: Partial<HistoryEvent> = {}): HistoryEvent {
  return { EventType: type, EventId: -1, IsPlayed: false, Timestamp: at, ...fields };
}

export function taskSucceeded(taskId: number, resultJson: string, isChild: boolean, at: string): HistoryEvent {
  return event(isChild ? EventType.childCompleted : EventType.taskCompleted, at, {
    TaskScheduledId: taskId,
    Result: resultJson,
  });
}

export function taskFailed(taskId: number, failure: Failure, isChild: boolean, at: string): HistoryEvent {
  return event(isChild ? EventType.childFailed : EventType.taskFailed, at, {
    TaskScheduledId: taskId,
    Reason: failure.reason,
    Details: failure.text,
    ...(failure.details === undefined ? {} : { FailureDetails: failure.details }),
  });
}

export function isFailure(item: HistoryEvent): boolean {
  return item.EventType === EventType.taskFailed || item.EventType === EventType.childFailed;
}

/** Milliseconds until the attempt after the given number of failures (1 for the first). */
export function retryDelayMs(options: RetryOptions, failures: number): number {
  const growth = (options.backoffCoefficient ?? 1) ** (failures - 1);
  const delayMs = options.firstRetryIntervalInMilliseconds * growth;
  return Math.min(delayMs, options.maxRetryIntervalInMilliseconds ?? Number.MAX_SAFE_INTEGER);
}
