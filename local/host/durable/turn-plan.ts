/**
 * What follows from one orchestrator turn. Pure: events and the SDK's answer in, a plan out.
 *
 *   inbox ── order ──> history + batch ── SDK ──> actions ── plan ──> new tasks, messages, outcome
 *
 * Order matters only for ids. Failures of retried calls, and retry timers that start another attempt, take an id
 * inside the SDK at the moment they are processed, invisibly. They never resume user code, so they go LAST in the
 * batch: then every new action has taken its id before them, and a turn can take any number of events.
 */
import {
  type Action,
  ActionType,
  digestOf,
  flatten,
  type NumberedAction,
  number,
  type OrchestratorState,
} from './actions';
import {
  EventType,
  type Failure,
  type HistoryEvent,
  isFailure,
  type RetryState,
  retryDelayMs,
  type TurnCounters,
} from './history';

/** One inbox row, parsed. `isExternal` marks raised events, which survive continue-as-new. */
export interface InboxMessage {
  readonly seq: number;
  readonly event: HistoryEvent;
  readonly retry: RetryState | undefined;
  readonly isExternal: boolean;
}

export interface RetryTimer {
  readonly id: number;
  readonly fireAtMs: number;
  readonly retry: RetryState;
}

export interface RetryCall {
  readonly id: number;
  readonly retry: RetryState;
}

export type Outcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'completed'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'continued'; readonly input: string; readonly carriedSeqs: readonly number[] };

export interface TurnPlan {
  readonly outcome: Outcome;
  readonly calls: readonly NumberedAction[];
  readonly retryTimers: readonly RetryTimer[];
  readonly retryCalls: readonly RetryCall[];
  /** Positions of the timers that are cancelled by now, whenever they were made. */
  readonly cancelledTimers: readonly number[];
  readonly customStatus: unknown;
  readonly counters: TurnCounters;
}

/** The order in which a batch must reach the SDK; stable within each class. */
export function orderBatch(messages: readonly InboxMessage[]): readonly InboxMessage[] {
  const rank = (message: InboxMessage): number => {
    if (message.event.EventType === EventType.executionStarted) {
      return 0;
    }
    if (takesId(message)) {
      return 3;
    }
    // The last timer of an exhausted retry takes no id and resumes user code.
    return message.retry !== undefined && message.event.EventType === EventType.timerFired ? 2 : 1;
  };
  return messages.toSorted((a, b) => rank(a) - rank(b) || a.seq - b.seq);
}

function takesId({ event, retry }: InboxMessage): boolean {
  if (retry === undefined) {
    return false;
  }
  return isFailure(event) || (event.EventType === EventType.timerFired && hasAttemptsLeft(retry));
}

function hasAttemptsLeft(retry: RetryState): boolean {
  return retry.failures < retry.options.maxNumberOfAttempts;
}

export interface TurnResult {
  readonly before: TurnCounters;
  readonly batch: readonly InboxMessage[];
  /** How many of the batch the orchestrator saw before it ended its generation. */
  readonly seenCount: number;
  /** External events consumed in earlier turns of this generation, with their inbox numbers. */
  readonly earlierEvents: readonly { readonly seq: number; readonly name: string }[];
  readonly state: OrchestratorState;
  readonly failure: Failure | undefined;
  readonly atMs: number;
}

export function planTurn(turn: TurnResult): TurnPlan {
  const { before, state, atMs } = turn;
  const all = state.actions[0] ?? [];
  const handled = all.slice(0, before.handled);
  if (handled.length < before.handled || digestOf(handled) !== before.digest) {
    return broken(before, turn.failure ?? NON_DETERMINISTIC);
  }
  const earlier = flatten(handled);
  const { numbered, nextId } = number(earlier, all.slice(before.handled), before.nextId);
  let freeId = nextId;
  const retryTimers: RetryTimer[] = [];
  const retryCalls: RetryCall[] = [];
  for (const { event, retry } of turn.batch.filter(takesId)) {
    if (retry === undefined) {
      continue;
    }
    const id = freeId;
    freeId += 1;
    if (isFailure(event)) {
      const failed = { ...retry, failures: retry.failures + 1 };
      retryTimers.push({ id, fireAtMs: atMs + retryDelayMs(retry.options, failed.failures), retry: failed });
    } else {
      retryCalls.push({ id, retry });
    }
  }
  return {
    outcome: outcomeOf(turn, all),
    calls: numbered,
    retryTimers,
    retryCalls,
    cancelledTimers: cancelledTimers(all),
    customStatus: state.customStatus,
    counters: { handled: all.length, digest: digestOf(all), nextId: freeId },
  };
}

const NON_DETERMINISTIC: Failure = {
  reason: 'Non-deterministic orchestrator: replaying it asked for other calls than its history holds.',
  text: 'Its code changed under a running instance, or it uses something other than its input and context.df.',
};

/** A plan that only fails the orchestration. */
export function broken(before: TurnCounters, failure: Failure): TurnPlan {
  return {
    outcome: { kind: 'failed', failure },
    ...{ calls: [], retryTimers: [], retryCalls: [], cancelledTimers: [], customStatus: undefined, counters: before },
  };
}

function outcomeOf(turn: TurnResult, all: readonly Action[]): Outcome {
  if (turn.failure !== undefined) {
    return { kind: 'failed', failure: turn.failure };
  }
  if (!turn.state.isDone) {
    return { kind: 'running' };
  }
  const again = all.find((action) => action.actionType === ActionType.continueAsNew);
  if (again === undefined) {
    return { kind: 'completed', output: turn.state.output };
  }
  // The SDK has already made a string input JSON text; everything else is a plain value.
  const input = typeof again.input === 'string' ? again.input : JSON.stringify(again.input ?? null);
  return { kind: 'continued', input, carriedSeqs: unprocessedEvents(turn, all) };
}

/**
 * Raised events that no wait has consumed: those after the point where the generation ended, and of each name as
 * many as there were more events than waits (the SDK hands out buffered events first come, first served).
 */
function unprocessedEvents(turn: TurnResult, all: readonly Action[]): readonly number[] {
  const waits = new Map<string, number>();
  for (const action of flatten(all)) {
    if (action.actionType === ActionType.waitForExternalEvent && action.externalEventName !== undefined) {
      waits.set(action.externalEventName, (waits.get(action.externalEventName) ?? 0) + 1);
    }
  }
  const raised = turn.batch.flatMap(({ seq, event, isExternal }, index) =>
    isExternal && event.Name !== undefined ? [{ seq, name: event.Name, seen: index < turn.seenCount }] : [],
  );
  const carried: number[] = [];
  for (const { seq, name, seen } of [...turn.earlierEvents.map((item) => ({ ...item, seen: true })), ...raised]) {
    const left = waits.get(name) ?? 0;
    if (seen && left > 0) {
      waits.set(name, left - 1);
    } else {
      carried.push(seq);
    }
  }
  return carried;
}

function cancelledTimers(all: readonly Action[]): readonly number[] {
  return flatten(all).flatMap((action, index) =>
    action.actionType === ActionType.createTimer && action.isCanceled === true ? [index] : [],
  );
}
