/**
 * The durable engine: turns, activities, entities and timers over one database.
 *
 * Everything that must survive is in the database; the dispatchers only hold what to look at next, and `start`
 * rebuilds that from the tables. Delivery is at least once for activities, exactly once for committed turns and
 * entity batches.
 */

import type { FunctionTable } from '../function-table';
import type { DurableConfig } from '../host-json';
import type { Log } from '../log';
import type { WorkerProcess } from '../worker-process';
import { ActivityRunner } from './activity-runner';
import type { Database } from './database';
import { Dispatcher } from './dispatcher';
import { EntityRunner } from './entity-runner';
import { TimerLoop } from './timer-loop';
import { TurnRunner } from './turn-runner';
import type { Woken } from './turn-schedule';

export interface EngineOptions {
  readonly db: Database;
  readonly worker: WorkerProcess;
  readonly functions: FunctionTable;
  readonly config: DurableConfig;
  readonly repeatActivities: boolean;
  readonly checkReplay: boolean;
  readonly log: Log;
}

export class DurableEngine {
  readonly db: Database;
  readonly functions: FunctionTable;
  readonly config: DurableConfig;
  readonly #turns: TurnRunner;
  readonly #instances: Dispatcher;
  readonly #activities: Dispatcher;
  readonly #entities: Dispatcher;
  readonly #timers: TimerLoop;

  constructor(options: EngineOptions) {
    const { db, worker, functions, config, log } = options;
    this.db = db;
    this.functions = functions;
    this.config = config;
    const wake = (instanceId: string): void => this.#instances.wake(instanceId);
    this.#turns = new TurnRunner({ ...options, defaultVersion: config.defaultVersion, wake });
    const activities = new ActivityRunner({ db, worker, functions, repeat: options.repeatActivities });
    const entities = new EntityRunner({ db, worker, functions, batchSize: config.entityBatchSize });
    this.#timers = new TimerLoop(db, wake);
    this.#instances = new Dispatcher({
      limit: config.maxOrchestrators,
      log,
      work: async (instanceId, lostCount) => this.#follow(await this.#turns.run(instanceId, lostCount)),
    });
    this.#activities = new Dispatcher({
      limit: config.maxActivities,
      log,
      work: async (key, lostCount) => {
        const [executionId = '', taskId] = key.split('/');
        const instanceId = await activities.run(executionId, Number(taskId), lostCount);
        if (instanceId !== undefined) {
          this.#instances.wake(instanceId);
        }
      },
    });
    this.#entities = new Dispatcher({
      limit: config.maxEntities,
      log,
      work: async (entityId) => this.#follow(await entities.run(entityId)),
    });
  }

  /** Goes on with whatever the last run of the host left. */
  start(): void {
    const { db } = this;
    for (const row of db.all<{ instanceId: string }>('SELECT DISTINCT instanceId FROM inbox')) {
      this.#instances.wake(row.instanceId);
    }
    for (const row of db.all<{ entityId: string }>('SELECT DISTINCT entityId FROM entityInbox')) {
      this.#entities.wake(row.entityId);
    }
    const work = "SELECT executionId, taskId FROM tasks WHERE kind IN ('activity', 'http') ORDER BY rowid";
    for (const row of db.all<{ executionId: string; taskId: number }>(work)) {
      this.#activities.wake(`${row.executionId}/${row.taskId}`);
    }
    this.#timers.arm();
  }

  stop(): void {
    for (const part of [this.#instances, this.#activities, this.#entities, this.#timers]) {
      part.stop();
    }
  }

  /** Look at an instance: its inbox or its status changed. */
  wakeInstance(instanceId: string): void {
    this.#instances.wake(instanceId);
  }

  wakeEntity(entityId: string): void {
    this.#entities.wake(entityId);
  }

  /** Look at everything that a rewind brought back. */
  wakeRewound(woken: Woken, executionIds: readonly string[]): void {
    for (const executionId of executionIds) {
      this.#turns.forget(executionId);
    }
    this.#follow(woken);
  }

  #follow(woken: Woken): void {
    for (const instanceId of woken.instances) {
      this.#instances.wake(instanceId);
    }
    for (const entityId of woken.entities) {
      this.#entities.wake(entityId);
    }
    for (const { executionId, taskId } of woken.tasks) {
      this.#activities.wake(`${executionId}/${taskId}`);
    }
    this.#timers.arm();
  }
}
