/** Runs one turn of one orchestration: inbox and history to the SDK, its answer into the database. */
import type { FunctionTable } from '../function-table';
import { type Log, messageOf } from '../log';
import { FunctionFailedError, type WorkerProcess } from '../worker-process';
import { ActionType, type OrchestratorState } from './actions';
import type { Database } from './database';
import { orchestratorFailure } from './failures';
import { EventType, event, type Failure, type RetryState } from './history';
import { HistoryCache } from './history-cache';
import { findInstance, type InstanceRow, isEnded } from './instances';
import { commitTurn, type StoredEvent } from './turn-commit';
import { TurnPace } from './turn-pace';
import { broken, type InboxMessage, orderBatch, planTurn, type TurnPlan } from './turn-plan';
import { newWoken, type Woken } from './turn-schedule';

export interface TurnRunnerOptions {
  readonly db: Database;
  readonly worker: WorkerProcess;
  readonly functions: FunctionTable;
  readonly defaultVersion: string | undefined;
  /** Runs every turn twice and fails the orchestration when the answers differ. */
  readonly checkReplay: boolean;
  /** Look at an instance again later. */
  readonly wake: (instanceId: string) => void;
  readonly log: Log;
}

/** `reused` names a task the orchestrator yielded twice. */
interface Answer {
  readonly state: OrchestratorState;
  readonly failure: Failure | undefined;
  readonly reused: string | undefined;
}

const LOST_COUNT_MAX = 10;

export class TurnRunner {
  readonly #options: TurnRunnerOptions;
  readonly #cache: HistoryCache;
  readonly #pace: TurnPace;

  constructor(options: TurnRunnerOptions) {
    this.#options = options;
    this.#cache = new HistoryCache(options.db);
    this.#pace = new TurnPace(options.db, options.wake);
  }

  /** Drops what is remembered of a generation whose history was changed from outside (rewind). */
  forget(executionId: string): void {
    this.#cache.forget(executionId);
    this.#pace.forget(executionId);
  }

  /** Takes all messages that wait. Throws `WorkerLostError` when the worker died: nothing has happened then. */
  async run(instanceId: string, lostCount: number): Promise<Woken> {
    const { db } = this.#options;
    const instance = findInstance(db, instanceId);
    if (instance === undefined || instance.status === 'Suspended' || isEnded(instance.status)) {
      return newWoken();
    }
    if (this.#pace.mustWait(instanceId, instance.executionId)) {
      return newWoken();
    }
    const batch = this.#takeBatch(instance);
    if (batch.length === 0) {
      return newWoken();
    }
    const fireTimes = batch.map((message) => Date.parse(message.event.FireAt ?? '') || 0);
    // A fired timer must see a clock that has reached it, and time never runs backwards for an orchestrator.
    const atMs = Math.max(Date.now(), instance.turnAtMs, ...fireTimes);
    const plan = await this.#plan(instance, batch, atMs, lostCount);
    try {
      return this.#commit(instance, batch, plan, atMs);
    } catch (error) {
      // Something it asked for cannot be done, such as a retry in the year 300,000: it fails instead of waiting for ever.
      const { handled, digest, nextId } = instance;
      const text = `What '${instance.name}' asked for cannot be scheduled: ${messageOf(error)}`;
      return this.#commit(instance, batch, broken({ handled, digest, nextId }, { reason: text, text }), atMs);
    }
  }

  #takeBatch(instance: InstanceRow): readonly InboxMessage[] {
    const { db } = this.#options;
    const { instanceId, executionId } = instance;
    db.run(
      'DELETE FROM inbox WHERE instanceId = ? AND executionId IS NOT NULL AND executionId <> ?',
      instanceId,
      executionId,
    );
    const rows = db.all<{ seq: number; executionId: string | null; event: string; retry: string | null }>(
      'SELECT seq, executionId, event, retry FROM inbox WHERE instanceId = ? ORDER BY seq',
      instanceId,
    );
    return orderBatch(
      rows.map((row) => ({
        seq: row.seq,
        event: JSON.parse(row.event) as InboxMessage['event'],
        retry: row.retry === null ? undefined : (JSON.parse(row.retry) as RetryState),
        isExternal: row.executionId === null,
      })),
    );
  }

  async #plan(
    instance: InstanceRow,
    batch: readonly InboxMessage[],
    atMs: number,
    lostCount: number,
  ): Promise<TurnPlan> {
    const { handled, digest, nextId } = instance;
    const before = { handled, digest, nextId };
    const fail = (text: string): TurnPlan => broken(before, { reason: text, text });
    if (this.#options.functions.find(instance.name, 'orchestrationTrigger') === undefined) {
      return fail(`The function '${instance.name}' does not exist or is not an orchestrator function.`);
    }
    if (lostCount >= LOST_COUNT_MAX) {
      return fail(`The worker died ${lostCount} times in a turn of '${instance.name}'.`);
    }
    const answer = await this.#ask(instance, batch, atMs);
    if (this.#options.checkReplay) {
      const again = await this.#ask(instance, batch, atMs);
      if (JSON.stringify(again.state) !== JSON.stringify(answer.state)) {
        return fail(
          `Non-deterministic orchestrator: two runs of one turn of '${instance.name}' gave different answers.`,
        );
      }
    }
    if (answer.reused !== undefined) {
      return fail(
        `'${instance.name}' put ${answer.reused} into a second Task.any or Task.all. Azure would schedule it again; make a new task for each yield.`,
      );
    }
    const { state, failure } = answer;
    const seenCount = await this.#seenCount(instance, batch, atMs, answer);
    return planTurn({
      before,
      batch,
      seenCount,
      earlierEvents: this.#earlierEvents(instance, answer),
      state,
      failure,
      atMs,
    });
  }

  async #ask(instance: InstanceRow, batch: readonly InboxMessage[], atMs: number): Promise<Answer> {
    const started = event(EventType.orchestratorStarted, new Date(atMs).toISOString());
    const news = [started, ...batch.map((message) => message.event)].map((item) => JSON.stringify(item));
    const past = this.#cache.get(instance.executionId);
    // Put together as text: a long history is not parsed and written again for every turn.
    const trigger = `{"history":[${past === '' ? '' : `${past},`}${news.join(',')}],"input":${instance.input ?? 'null'},${envelope(instance)}`;
    const binding = this.#options.functions.find(instance.name, 'orchestrationTrigger')?.trigger.name ?? '';
    try {
      const result = await this.#options.worker.invoke({
        functionName: instance.name,
        inputData: [{ name: binding, data: { json: trigger } }],
        triggerMetadata: {},
      });
      const state = JSON.parse(result.returnValue?.json ?? result.returnValue?.string ?? '{}') as OrchestratorState;
      return { state, failure: undefined, reused: result.reusedTask };
    } catch (error) {
      if (error instanceof FunctionFailedError) {
        return { ...orchestratorFailure(error), reused: undefined };
      }
      throw error;
    }
  }

  /** How many messages of the batch a continuing generation saw: the shortest prefix that already ends it. */
  async #seenCount(
    instance: InstanceRow,
    batch: readonly InboxMessage[],
    atMs: number,
    answer: Answer,
  ): Promise<number> {
    if (!continuesAsNew(answer.state) || !batch.some((message) => message.isExternal)) {
      return batch.length;
    }
    let low = 1;
    let high = batch.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { state } = await this.#ask(instance, batch.slice(0, middle), atMs);
      if (state.isDone) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  #earlierEvents(instance: InstanceRow, answer: Answer): readonly { seq: number; name: string }[] {
    if (!continuesAsNew(answer.state)) {
      return [];
    }
    const sql = 'SELECT event FROM history WHERE executionId = ? ORDER BY seq';
    return this.#options.db.all<{ event: string }>(sql, instance.executionId).flatMap((row) => {
      const { inboxSeq, Name } = JSON.parse(row.event) as StoredEvent;
      return inboxSeq === undefined || Name === undefined ? [] : [{ seq: inboxSeq, name: Name }];
    });
  }

  #commit(instance: InstanceRow, batch: readonly InboxMessage[], plan: TurnPlan, atMs: number): Woken {
    const { db, defaultVersion } = this.#options;
    const { executionId, instanceId } = instance;
    const done = db.transaction(() => {
      const now = findInstance(db, instanceId);
      // Terminated, purged or restarted while the turn ran: its answer belongs to nobody.
      if (now === undefined || now.executionId !== executionId || isEnded(now.status)) {
        return undefined;
      }
      return commitTurn(db, { instance: now, batch, plan, atMs, defaultVersion });
    });
    if (done === undefined || plan.outcome.kind !== 'running') {
      this.forget(executionId);
    } else {
      this.#pace.note(executionId, this.#cache.append(executionId, done.added));
    }
    if (plan.outcome.kind === 'failed') {
      const message = `${instanceId}: ${plan.outcome.failure.reason}`;
      this.#options.log({ level: 'error', category: 'host.durable', message, functionName: instance.name });
    }
    return done?.woken ?? newWoken();
  }
}

function continuesAsNew(state: OrchestratorState): boolean {
  return state.isDone && (state.actions[0] ?? []).some((action) => action.actionType === ActionType.continueAsNew);
}

/**
 * The rest of the trigger: schema 3 is V4, which brings locks. The longest possible "short" timer keeps the SDK from
 * cutting timers into pieces, each of which would silently take an id.
 */
function envelope(instance: InstanceRow): string {
  const fields = {
    instanceId: instance.instanceId,
    isReplaying: false,
    parentInstanceId: instance.parentId ?? undefined,
    upperSchemaVersion: 1,
    upperSchemaVersionNew: 3,
    longRunningTimerIntervalDuration: '3650.00:00:00',
    maximumShortTimerDuration: '3650.00:00:00',
    defaultHttpAsyncRequestSleepTimeMillseconds: 30_000,
  };
  return JSON.stringify(fields).slice(1);
}
