/**
 * Durable Functions in small: orchestrators are generators that are replayed from their history, activities run at least once
 * and sometimes twice at the same time, and the process that drives it all may die at any step. Its own histories survive.
 */
import type { OrchestrationContext, OrchestrationHandler } from 'durable-functions';
import { failureOf } from '../../shared/workflows/durable';
import type { World } from '../world';
import { EPOCH_MS, type SimProcess } from './process';

export type Activities = Readonly<Record<string, (input: never) => Promise<unknown>>>;

interface HistoryItem {
  readonly value: unknown;
  /** What `currentUtcDateTime` is from here on. */
  readonly nowMs: number;
}

interface Instance {
  readonly id: string;
  readonly name: string;
  input: unknown;
  history: HistoryItem[];
  startedMs: number;
  status: 'running' | 'completed' | 'failed';
  output: unknown;
  readonly events: string[];
  wake: (() => void) | undefined;
  readonly ended: (() => void)[];
}

type Task =
  | { readonly kind: 'activity' | 'entity'; readonly name: string; readonly input: unknown }
  | { readonly kind: 'sub'; readonly name: string; readonly id: string; readonly input: unknown }
  | { readonly kind: 'all' | 'any'; readonly tasks: readonly Task[] }
  | { readonly kind: 'timer'; readonly atMs: number; cancel(): void }
  | { readonly kind: 'event'; readonly name: string };

const copy = <Value>(value: Value): Value =>
  value === undefined ? value : (JSON.parse(JSON.stringify(value)) as Value);

const TWICE = ['twice'] as const;

export class DurableEngine {
  readonly instances = new Map<string, Instance>();
  private process: SimProcess | undefined;
  private activities: Activities = {};

  constructor(
    private readonly world: World,
    private readonly orchestrators: Readonly<Record<string, OrchestrationHandler>>,
  ) {}

  /** A (new) process of the function app takes over whatever runs. */
  adopt(process: SimProcess, activities: Activities): void {
    this.process = process;
    this.activities = activities;
    for (const instance of this.instances.values()) {
      if (instance.status === 'running') this.begin(instance, process);
    }
  }

  start(name: string, id: string, input: unknown): 'started' | 'exists' {
    if (this.instances.has(id)) return 'exists';
    const instance: Instance = {
      id,
      name,
      input: copy(input),
      history: [],
      startedMs: this.nowMs,
      status: 'running',
      output: undefined,
      events: [],
      wake: undefined,
      ended: [],
    };
    this.instances.set(id, instance);
    if (this.process) this.begin(instance, this.process);
    return 'started';
  }

  /** An orchestrator that throws ends as failed; our own never do, unless the catalog is gone. */
  private begin(instance: Instance, process: SimProcess): void {
    const failed = (error: unknown): void => {
      this.end(instance, 'failed', { ok: false, failure: failureOf(error) });
      this.world.checker.orchestratorFailed(instance.id, error);
    };
    this.drive(instance, process).catch(failed);
  }

  private end(instance: Instance, status: Instance['status'], output: unknown): void {
    instance.status = status;
    instance.output = copy(output);
    for (const listener of instance.ended) listener();
  }

  raise(id: string, event: string): void {
    const instance = this.instances.get(id);
    if (instance?.status !== 'running') return;
    if (instance.events.length < 1) instance.events.push(event);
    instance.wake?.();
  }

  isRunning(id: string): boolean {
    return this.instances.get(id)?.status === 'running';
  }

  private get nowMs(): number {
    return EPOCH_MS + this.world.scheduler.nowMs;
  }

  private async drive(instance: Instance, process: SimProcess): Promise<void> {
    const handler = this.orchestrators[instance.name];
    if (!handler) throw new Error(`no orchestrator ${instance.name}`);
    for (;;) {
      let next: { readonly input: unknown } | undefined;
      let nowMs = instance.startedMs;
      const df = {
        instanceId: instance.id,
        isReplaying: false,
        get currentUtcDateTime() {
          return new Date(nowMs);
        },
        getInput: () => copy(instance.input),
        callActivity: (name: string, input: unknown): Task => ({ kind: 'activity', name, input: copy(input) }),
        callSubOrchestrator: (name: string, input: unknown, id: string): Task => ({
          kind: 'sub',
          name,
          id,
          input: copy(input),
        }),
        callEntity: (id: { name: string }, operation: string, input: unknown): Task => ({
          kind: 'entity',
          name: `${id.name}.${operation}`,
          input,
        }),
        createTimer: (at: Date): Task => ({ kind: 'timer', atMs: at.getTime(), cancel: () => undefined }),
        waitForExternalEvent: (name: string): Task => ({ kind: 'event', name }),
        continueAsNew: (input: unknown) => {
          next = { input: copy(input) };
        },
        Task: {
          all: (tasks: Task[]): Task => ({ kind: 'all', tasks }),
          any: (tasks: Task[]): Task => ({ kind: 'any', tasks }),
        },
      };
      const generator = handler({ df } as unknown as OrchestrationContext) as Generator<Task, unknown, unknown>;
      let step = generator.next();
      for (let at = 0; !step.done; at++) {
        const task = step.value;
        if (at === instance.history.length) {
          const value = await this.perform(task, instance, process);
          // A sub-orchestration's end may reach a driver that has died meanwhile: another one has taken over.
          if (!process.actor.alive) return;
          instance.history.push({ value: copy(value), nowMs: this.nowMs });
        }
        const item = instance.history[at];
        nowMs = item?.nowMs ?? nowMs;
        // Of several tasks the history says which was first; the orchestrator compares the tasks themselves.
        step = generator.next(task.kind === 'any' ? task.tasks[Number(item?.value)] : copy(item?.value));
      }
      if (next) {
        Object.assign(instance, { input: next.input, history: [], startedMs: this.nowMs });
        continue;
      }
      this.end(instance, 'completed', step.value);
      this.world.checker.ended(instance.id, instance.name, instance.output);
      return;
    }
  }

  private perform(task: Task, instance: Instance, process: SimProcess): Promise<unknown> {
    switch (task.kind) {
      case 'activity':
        return this.activity(task.name, task.input, process);
      case 'entity':
        return Promise.resolve({ ok: true, value: null });
      case 'sub':
        return this.sub(task.name, task.id, task.input);
      case 'all':
        return Promise.all(task.tasks.map((part) => this.perform(part, instance, process)));
      case 'timer':
        return this.until(task.atMs, process);
      case 'any': {
        const event = task.tasks.findIndex(({ kind }) => kind === 'event');
        const timer = task.tasks.findIndex(({ kind }) => kind === 'timer');
        const due = task.tasks[timer];
        return this.eventOr(instance, due?.kind === 'timer' ? due.atMs : 0, process).then((first) =>
          first === 'event' ? event : timer,
        );
      }
      case 'event':
        throw new Error('an event alone is never waited for');
    }
  }

  private async activity(name: string, input: unknown, process: SimProcess): Promise<unknown> {
    const { io } = this.world;
    await io.turn(process.actor, `activity ${name}`);
    const run = async (): Promise<unknown> => {
      const activity = this.activities[name];
      if (!activity) throw new Error(`no activity ${name}`);
      try {
        return { ok: true, value: copy((await activity(copy(input) as never)) ?? null) };
      } catch (error) {
        const failure = failureOf(error);
        this.world.checker.activityFailed(name, failure, error);
        return { ok: false, failure };
      }
    };
    if (io.faults.pick(TWICE)) this.world.spawn(run());
    return run();
  }

  private sub(name: string, id: string, input: unknown): Promise<unknown> {
    this.start(name, id, input);
    const child = this.instances.get(id);
    if (child?.status !== 'running') return Promise.resolve(child?.output);
    return new Promise((resolve) => child.ended.push(() => resolve(child.output)));
  }

  private until(atMs: number, process: SimProcess): Promise<unknown> {
    const { scheduler } = this.world;
    return new Promise((resolve) => {
      scheduler.post(process.actor, 'durable timer', Math.max(0, atMs - this.nowMs), () => resolve(null));
    });
  }

  private eventOr(instance: Instance, atMs: number, process: SimProcess): Promise<'event' | 'timer'> {
    const { scheduler } = this.world;
    return new Promise((resolve) => {
      const finish = (first: 'event' | 'timer'): void => {
        scheduler.cancel(entry);
        instance.wake = undefined;
        if (first === 'event') instance.events.shift();
        resolve(first);
      };
      const entry = scheduler.post(process.actor, 'durable timer', Math.max(0, atMs - this.nowMs), () =>
        finish('timer'),
      );
      instance.wake = () => {
        if (process.actor.alive) finish('event');
      };
      if (instance.events.length > 0) finish('event');
    });
  }
}
