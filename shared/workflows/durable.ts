/**
 * The typed bridge to Durable Functions; the only file besides orchestrators and entities that knows the library.
 *
 * Activities never throw across the boundary: only an error's text would survive it, and the text may hold what must not be
 * stored. They return an Outcome, and `call` decides from its code whether to try again. Waits between tries are durable
 * timers, so nothing sleeps and a restart loses nothing.
 */
import { type DurableClient, EntityId, type OrchestrationContext, type Task } from 'durable-functions';
import type { RetryRule } from '../base/retry';
import { AppError, type ErrorCode } from '../model/errors';

export interface Failure {
  readonly code: ErrorCode | 'internal';
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}

export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure };

/** Thrown by `call` inside orchestrators. */
export class StepError extends Error {
  override readonly name = 'StepError';
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

export interface ActivityContract<Input, Output> {
  readonly name: string;
  readonly retry: RetryRule;
  /** Never set: carries the types. */
  readonly types?: (input: Input) => Output;
}

export const patient: RetryRule = { attemptsMax: 8, firstDelayMs: 1000, delayMsMax: 60_000 };
/** For undoing: giving up leaves something behind, so it tries for about two hours before the janitor takes over. */
export const stubborn: RetryRule = { attemptsMax: 30, firstDelayMs: 1000, delayMsMax: 300_000 };

export function contract<Input, Output>(name: string, retry: RetryRule = patient): ActivityContract<Input, Output> {
  return { name, retry };
}

/** What every step of an orchestration is: tasks out, whatever Durable hands back in. */
export type Steps<Result> = Generator<Task, Result, unknown>;

/** Runs an activity until it succeeds, its failure is permanent, or the attempts are used up (then StepError). */
export function* call<Input, Output>(
  context: OrchestrationContext,
  activity: ActivityContract<Input, Output>,
  input: Input,
): Steps<Output> {
  for (let attempt = 1; ; attempt++) {
    const outcome = (yield context.df.callActivity(activity.name, input)) as Outcome<Output>;
    if (outcome.ok) return outcome.value;
    if (!outcome.failure.retryable || attempt >= activity.retry.attemptsMax) throw new StepError(outcome.failure);
    yield pause(context, retryDelayMs(activity.retry, attempt, outcome.failure));
  }
}

/** Runs an activity for each input at once, trying again only those that failed. All or the first permanent failure. */
export function* callAll<Input, Output>(
  context: OrchestrationContext,
  activity: ActivityContract<Input, Output>,
  inputs: readonly Input[],
): Steps<Output[]> {
  const results: Output[] = [];
  let open = inputs.map((_, index) => index);
  for (let attempt = 1; open.length > 0; attempt++) {
    const tasks = open.map((index) => context.df.callActivity(activity.name, inputs[index]));
    const outcomes = (yield context.df.Task.all(tasks)) as Outcome<Output>[];
    const again: number[] = [];
    let delayMs = 0;
    let permanent: Failure | undefined;
    outcomes.forEach((outcome, position) => {
      const index = open[position] as number;
      if (outcome.ok) {
        results[index] = outcome.value;
      } else if (!outcome.failure.retryable || attempt >= activity.retry.attemptsMax) {
        permanent ??= outcome.failure;
      } else {
        again.push(index);
        delayMs = Math.max(delayMs, retryDelayMs(activity.retry, attempt, outcome.failure));
      }
    });
    if (permanent) throw new StepError(permanent);
    open = again;
    if (open.length > 0) yield pause(context, delayMs);
  }
  return results;
}

/** Runs a sub-orchestration under a fixed id, so that a replayed parent finds the same child. Its Outcome is unwrapped. */
export function* callSub<Input, Output>(
  context: OrchestrationContext,
  name: string,
  instanceId: string,
  input: Input,
): Steps<Output> {
  const outcome = (yield context.df.callSubOrchestrator(name, input, instanceId)) as Outcome<Output>;
  if (!outcome.ok) throw new StepError(outcome.failure);
  return outcome.value;
}

/** For undoing: a step that fails for good is noted and the next one still runs. */
export function* attempt(notes: string[], what: string, steps: Steps<unknown>): Steps<void> {
  try {
    yield* steps;
  } catch (error) {
    notes.push(`${what} failed and is left to the janitor: ${failureOf(error).message}`);
  }
}

export function pause(context: OrchestrationContext, delayMs: number): Task {
  return context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + delayMs));
}

/** Sleeps, but wakes at once on the event. Each call waits with fresh tasks: re-yielding one schedules it twice in Azure. */
export function* pauseUntil(context: OrchestrationContext, event: string, delayMs: number): Steps<'event' | 'timer'> {
  const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + delayMs));
  const woken = context.df.waitForExternalEvent(event);
  const first = yield context.df.Task.any([woken, timer]);
  if (first === timer) return 'timer';
  timer.cancel();
  return 'event';
}

/** Deterministic, so without jitter: replays must compute the same instant. */
function retryDelayMs(rule: RetryRule, attempt: number, failure: Failure): number {
  return Math.max(failure.retryAfterMs ?? 0, Math.min(rule.delayMsMax, rule.firstDelayMs * 2 ** (attempt - 1)));
}

export function failureOf(error: unknown): Failure {
  if (error instanceof StepError) return error.failure;
  if (error instanceof AppError) {
    return {
      code: error.code,
      message: error.message,
      retryable: error.retryable,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    };
  }
  // The deadline of a whole step: nothing is wrong but the time, and the next try begins with what this one has done.
  if (error instanceof Error && error.name === 'TimeoutError') {
    const message = '[cloud.timeout] the step was not done within its deadline; it is tried again';
    return { code: 'cloud.timeout', message, retryable: true };
  }
  // Not ours: its message may hold a url with a signature, and this value is stored. The name must do; the log has more.
  const name = error instanceof Error ? error.name : typeof error;
  return {
    code: 'internal',
    message: `[internal] unexpected ${name}; the function log has its stack`,
    retryable: true,
  };
}

/** The orchestrations as the rest of the product sees them. */
export interface OrchestrationClient {
  /** 'exists' when an instance of this id is running or has ended: job ids are never reused. */
  start(orchestrator: string, instanceId: string, input: unknown): Promise<'started' | 'exists'>;
  /** A hint; fine when the instance has ended or never was. */
  raise(instanceId: string, event: string): Promise<void>;
  isRunning(instanceId: string): Promise<boolean>;
  /** Tells an entity without waiting for it. */
  signal(entity: { readonly name: string; readonly key: string }, operation: string, input: unknown): Promise<void>;
}

export function orchestrationClient(client: DurableClient): OrchestrationClient {
  /**
   * undefined only when Durable says that there is no such instance. Any other failure is thrown: a job that merely could
   * not be asked about must not be taken for one that is gone, or its lease and snapshots would be taken from it.
   */
  const statusOf = async (instanceId: string): Promise<string | undefined> => {
    try {
      const status = await client.getStatus(instanceId);
      return status?.runtimeStatus as string | undefined;
    } catch (error) {
      // durable-functions 3.5 (DurableClient.getStatus) has no type for it: its own text is the only sign of a 404.
      if (error instanceof Error && /replied with HTTP 404 response/.test(error.message)) return undefined;
      throw new AppError('cloud.unavailable', `the state of orchestration ${instanceId} could not be read; try again`, {
        retryable: true,
      });
    }
  };
  return {
    start: async (orchestrator, instanceId, input) => {
      if ((await statusOf(instanceId)) !== undefined) return 'exists';
      try {
        await client.startNew(orchestrator, { instanceId, input });
        return 'started';
      } catch (error) {
        // Two starts of one id at once: the second is refused, and the instance is there.
        if ((await statusOf(instanceId)) !== undefined) return 'exists';
        throw error;
      }
    },
    raise: async (instanceId, event) => {
      await client.raiseEvent(instanceId, event, null).catch(() => undefined);
    },
    signal: ({ name, key }, operation, input) => client.signalEntity(new EntityId(name, key), operation, input),
    isRunning: async (instanceId) => {
      const status = await statusOf(instanceId);
      return status === 'Running' || status === 'Pending' || status === 'Suspended';
    },
  };
}
