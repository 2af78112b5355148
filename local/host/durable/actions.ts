/**
 * What an orchestrator asks for: the SDK's actions, and the sequence ids they take.
 *
 * The SDK answers every turn with ALL actions since the start of the generation, composites nested. It numbers
 * tasks by a counter of its own, which the engine has to follow exactly, because completions refer to it:
 * one id for each activity, timer, child, entity call or signal, lock and http call; none for an event wait;
 * one for each entity of the lock that a release gives back. Order is depth-first.
 * Source: durable-functions 3.5.0, `TaskOrchestrationExecutor.trackOpenTask`, `recordFireAndForgetAction`.
 */
import { createHash } from 'node:crypto';

export const ActionType = {
  callActivity: 0,
  callActivityWithRetry: 1,
  callSubOrchestrator: 2,
  callSubOrchestratorWithRetry: 3,
  continueAsNew: 4,
  createTimer: 5,
  waitForExternalEvent: 6,
  callEntity: 7,
  callHttp: 8,
  signalEntity: 9,
  whenAny: 11,
  whenAll: 12,
  lockEntities: 13,
  releaseEntities: 14,
} as const;

export interface RetryOptions {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  readonly backoffCoefficient?: number;
  readonly maxRetryIntervalInMilliseconds?: number;
  readonly retryTimeoutInMilliseconds?: number;
}

export interface HttpRequestAction {
  readonly method: string;
  readonly uri: string;
  readonly content?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tokenSource?: unknown;
  readonly asynchronousPatternEnabled?: boolean;
}

/** One action as the SDK serializes it; which fields are set depends on the type. */
export interface Action {
  readonly actionType: number;
  readonly functionName?: string;
  readonly input?: unknown;
  readonly instanceId?: string;
  readonly version?: string;
  readonly retryOptions?: RetryOptions;
  readonly fireAt?: string;
  readonly isCanceled?: boolean;
  readonly externalEventName?: string;
  readonly operation?: string;
  readonly httpRequest?: HttpRequestAction;
  readonly lockSet?: readonly { readonly name: string; readonly key: string }[];
  readonly lockRequestId?: string;
  readonly compoundActions?: readonly Action[];
}

/** What an orchestrator's turn answers. */
export interface OrchestratorState {
  readonly isDone: boolean;
  readonly actions: readonly (readonly Action[])[];
  readonly output?: unknown;
  readonly error?: string;
  readonly customStatus?: unknown;
  readonly failureDetails?: unknown;
}

/**
 * A leaf action with the first id it takes (`idCount` ids from there; 0 for those that take none) and its
 * position among all leaves of the generation, by which a later cancellation finds its timer.
 */
export interface NumberedAction {
  readonly action: Action;
  readonly id: number;
  readonly idCount: number;
  readonly position: number;
}

/** The leaves of composites in the order in which the SDK numbers them. */
export function flatten(actions: readonly Action[]): readonly Action[] {
  return actions.flatMap((action) =>
    action.actionType === ActionType.whenAll || action.actionType === ActionType.whenAny
      ? flatten(action.compoundActions ?? [])
      : [action],
  );
}

/**
 * Numbers the leaves of new top-level actions. `earlier` are the leaves already handled in this generation:
 * the size of a lock that is released must be looked up among them.
 */
export function number(
  earlier: readonly Action[],
  fresh: readonly Action[],
  firstId: number,
): { readonly numbered: readonly NumberedAction[]; readonly nextId: number } {
  let nextId = firstId;
  let lockSize = lastLockSize(earlier);
  const numbered = flatten(fresh).map((action, index) => {
    if (action.actionType === ActionType.lockEntities) {
      lockSize = action.lockSet?.length ?? 0;
    }
    const idCount = idsOf(action, lockSize);
    const id = nextId;
    nextId += idCount;
    return { action, id, idCount, position: earlier.length + index };
  });
  return { numbered, nextId };
}

function idsOf(action: Action, lockSize: number): number {
  switch (action.actionType) {
    case ActionType.waitForExternalEvent:
    case ActionType.continueAsNew:
      return 0;
    case ActionType.releaseEntities:
      return lockSize;
    default:
      return 1;
  }
}

function lastLockSize(actions: readonly Action[]): number {
  return actions.findLast((action) => action.actionType === ActionType.lockEntities)?.lockSet?.length ?? 0;
}

/**
 * A fingerprint of handled actions. Each turn repeats them from its replay; if they differ, the orchestrator
 * is not deterministic (or its code was changed under a running instance) and its ids mean nothing any more.
 */
export function digestOf(actions: readonly Action[]): string {
  if (actions.length === 0) {
    return '';
  }
  const hash = createHash('sha1');
  const visit = (action: Action): void => {
    const what = action.functionName ?? action.externalEventName ?? action.operation ?? '';
    hash.update(`${action.actionType}:${what}(`);
    action.compoundActions?.forEach(visit);
    hash.update(')');
  };
  actions.forEach(visit);
  return hash.digest('base64url');
}
