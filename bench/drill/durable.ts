/**
 * Runs the product's orchestrators in this process, with real activities and real time, without a Functions host: a drill
 * starts thousands of them. What the host adds (durability, replay) is tested with the host itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OrchestrationContext, OrchestrationHandler } from 'durable-functions';
import { failureOf, type OrchestrationClient, type Outcome } from '../../shared/workflows/durable';

type Activities = Readonly<Record<string, (input: never) => Promise<unknown>>>;

export interface LocalDurable {
  readonly orchestrators: Readonly<Record<string, OrchestrationHandler>>;
  /** What the drill does by itself, by the orchestrator's name: it may not fail as an orchestration may. */
  readonly instead: Readonly<Record<string, (input: never) => Promise<unknown>>>;
  readonly activities: Activities;
  /** Answers of entities; an Outcome, as the product's entities give. */
  readonly entity: (operation: string, key: string, input: unknown) => Promise<Outcome<null>>;
}

type Scheduled =
  | { readonly kind: 'call'; readonly run: () => Promise<unknown> }
  | { readonly kind: 'all' | 'any'; readonly tasks: readonly Scheduled[] }
  | { readonly kind: 'timer'; readonly at: Date; cancel(): void }
  | { readonly kind: 'event' };

export async function orchestrate(local: LocalDurable, name: string, instanceId: string, given: unknown) {
  const own = local.instead[name];
  if (own) return outcomeOf(() => own(copy(given) as never));
  const handler = local.orchestrators[name];
  if (!handler) throw new Error(`no orchestrator ${name}`);
  for (let input = copy(given); ; ) {
    let again: { readonly input: unknown } | undefined;
    const context = contextOf(local, instanceId, input, (next) => {
      again = { input: copy(next) };
    });
    const generator = handler(context);
    let step = generator.next();
    while (!step.done) step = generator.next(await settle(step.value as unknown as Scheduled));
    if (again === undefined) return step.value as unknown;
    ({ input } = again);
  }
}

/** `ended` resolves with what the orchestration returned. */
export function localClient(
  local: LocalDurable,
): OrchestrationClient & { ended(instanceId: string): Promise<unknown> } {
  const running = new Map<string, Promise<unknown>>();
  return {
    start: async (name, instanceId, input) => {
      if (running.has(instanceId)) return 'exists';
      running.set(instanceId, orchestrate(local, name, instanceId, input));
      return 'started';
    },
    raise: () => Promise.resolve(),
    isRunning: (instanceId) => Promise.resolve(running.has(instanceId)),
    signal: async ({ key }, operation, input) => void (await local.entity(operation, key, input)),
    ended: (instanceId) => running.get(instanceId) ?? Promise.reject(new Error(`no instance ${instanceId}`)),
  };
}

function contextOf(local: LocalDurable, instanceId: string, input: unknown, onAgain: (input: unknown) => void) {
  const df = {
    instanceId,
    isReplaying: false,
    get currentUtcDateTime() {
      return new Date();
    },
    getInput: () => input,
    callActivity: (name: string, value: unknown): Scheduled => ({
      kind: 'call',
      run: () => activity(local.activities, name, copy(value)),
    }),
    callSubOrchestrator: (name: string, value: unknown, id: string): Scheduled => ({
      kind: 'call',
      run: () => orchestrate(local, name, id, value),
    }),
    callEntity: (id: { readonly key: string }, operation: string, value: unknown): Scheduled => ({
      kind: 'call',
      run: () => local.entity(operation, id.key, copy(value)),
    }),
    createTimer: (at: Date): Scheduled => ({ kind: 'timer', at, cancel: () => undefined }),
    waitForExternalEvent: (): Scheduled => ({ kind: 'event' }),
    continueAsNew: onAgain,
    Task: {
      all: (tasks: readonly Scheduled[]): Scheduled => ({ kind: 'all', tasks }),
      any: (tasks: readonly Scheduled[]): Scheduled => ({ kind: 'any', tasks }),
    },
  };
  return { df } as unknown as OrchestrationContext;
}

async function settle(task: Scheduled): Promise<unknown> {
  switch (task.kind) {
    case 'call':
      return copy(await task.run());
    case 'all':
      return Promise.all(task.tasks.map(settle));
    case 'any': {
      // Events are hints: a wait for one ends by its timer.
      const timer = task.tasks.find((one) => one.kind === 'timer');
      if (!timer) throw new Error('this would wait for ever');
      await settle(timer);
      return timer;
    }
    case 'timer':
      await sleep(Math.max(0, task.at.getTime() - Date.now()));
      return undefined;
    case 'event':
      throw new Error('this would wait for ever');
  }
}

async function activity(activities: Activities, name: string, input: unknown): Promise<Outcome<unknown>> {
  const run = activities[name];
  if (!run) throw new Error(`no activity ${name}`);
  return outcomeOf(() => run(input as never));
}

async function outcomeOf(run: () => Promise<unknown>): Promise<Outcome<unknown>> {
  try {
    return { ok: true, value: copy((await run()) ?? null) };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}

/** As it comes out of a history. */
const copy = <Value>(value: Value): Value =>
  value === undefined ? value : (JSON.parse(JSON.stringify(value)) as Value);
