/**
 * Drives orchestrator generators to their end against fake activities and entities: no host, no time. A timer fires when
 * nothing else can happen; external events never come, so waits end by their timers. Sub-orchestrations run by their own
 * generators. Each call is recorded, and any one of them can be made to fail, once or for good.
 */
import type { OrchestrationContext, OrchestrationHandler } from 'durable-functions';

export interface Call {
  readonly name: string;
  readonly input: unknown;
}

export interface RunOptions {
  readonly instanceId: string;
  readonly input: unknown;
  readonly orchestrators: Readonly<Record<string, OrchestrationHandler>>;
  readonly activities: Readonly<Record<string, (input: never) => unknown>>;
  readonly entity: (name: string, key: string, operation: string, input: unknown) => unknown;
  /** Position among all calls of the run, from 0. */
  readonly failAt?: number;
  /** 'for-good': this call and every later one of the same name. */
  readonly failure?: 'once' | 'for-good';
}

export interface Run {
  readonly calls: Call[];
  readonly output?: unknown;
  readonly error?: unknown;
}

type Scheduled =
  | { readonly kind: 'call'; readonly run: () => unknown }
  | { readonly kind: 'all' | 'any'; readonly tasks: readonly Scheduled[] }
  | { readonly kind: 'timer'; readonly at: Date; cancel(): void }
  | { readonly kind: 'event' };

const copy = <Value>(value: Value): Value =>
  value === undefined ? value : (JSON.parse(JSON.stringify(value)) as Value);

export function runOrchestration(name: string, options: RunOptions): Run {
  const calls: Call[] = [];
  let brokenName: string | undefined;
  let nowMs = Date.parse('2026-03-01T00:00:00Z');

  const injected = (callName: string): unknown => {
    const position = calls.length - 1;
    const breaks = position === options.failAt || (options.failure === 'for-good' && callName === brokenName);
    if (!breaks) return undefined;
    if (options.failure === 'for-good') brokenName = callName;
    return {
      ok: false,
      failure: { code: 'cloud.unavailable', message: `injected in ${callName}`, retryable: options.failure === 'once' },
    };
  };

  const perform = (callName: string, input: unknown, real: (input: unknown) => unknown): unknown => {
    calls.push({ name: callName, input: copy(input) });
    const failure = injected(callName);
    if (failure) return failure;
    return { ok: true, value: copy(real(copy(input)) ?? null) };
  };

  const drive = (orchestrator: string, instanceId: string, firstInput: unknown): unknown => {
    const handler = options.orchestrators[orchestrator];
    if (!handler) throw new Error(`no orchestrator ${orchestrator}`);
    let input = copy(firstInput);
    for (let generation = 0; generation < 1000; generation++) {
      let next: { input: unknown } | undefined;
      const df = {
        instanceId,
        isReplaying: false,
        get currentUtcDateTime() {
          return new Date(nowMs);
        },
        getInput: () => copy(input),
        callActivity: (activity: string, value: unknown): Scheduled => ({
          kind: 'call',
          run: () => {
            const real = options.activities[activity];
            if (!real) throw new Error(`no fake activity ${activity}`);
            return perform(activity, value, real as (input: unknown) => unknown);
          },
        }),
        callSubOrchestrator: (child: string, value: unknown, id: string): Scheduled => ({
          kind: 'call',
          run: () => drive(child, id, value),
        }),
        callEntity: (id: { name: string; key: string }, operation: string, value: unknown): Scheduled => ({
          kind: 'call',
          run: () =>
            perform(`${id.name}.${operation}`, value, (given) => options.entity(id.name, id.key, operation, given)),
        }),
        createTimer: (at: Date): Scheduled => ({ kind: 'timer', at, cancel: () => undefined }),
        waitForExternalEvent: (): Scheduled => ({ kind: 'event' }),
        continueAsNew: (value: unknown) => {
          next = { input: copy(value) };
        },
        Task: {
          all: (tasks: Scheduled[]): Scheduled => ({ kind: 'all', tasks }),
          any: (tasks: Scheduled[]): Scheduled => ({ kind: 'any', tasks }),
        },
      };
      const settle = (task: Scheduled): unknown => {
        switch (task.kind) {
          case 'call':
            return task.run();
          case 'all':
            return task.tasks.map(settle);
          case 'any': {
            const timer = task.tasks.find((candidate) => candidate.kind === 'timer');
            if (!timer) throw new Error('would wait for ever');
            settle(timer);
            return timer;
          }
          case 'timer':
            nowMs = Math.max(nowMs, task.at.getTime());
            return undefined;
          case 'event':
            throw new Error('would wait for ever');
        }
      };
      const generator = handler({ df } as unknown as OrchestrationContext);
      let step = generator.next();
      while (!step.done) step = generator.next(settle(step.value as unknown as Scheduled));
      if (!next) return copy(step.value);
      input = next.input;
    }
    throw new Error(`${orchestrator} never ends`);
  };

  try {
    return { calls, output: drive(name, options.instanceId, options.input) };
  } catch (error) {
    return { calls, error };
  }
}
