/**
 * Runs queued activities and durable http calls. A row stays until its result is committed, so after a crash it runs
 * again: at least once, as in Azure.
 */
import type { FunctionTable } from '../function-table';
import type { TypedData } from '../protocol';
import { WorkerLostError, type WorkerProcess } from '../worker-process';
import { callHttp } from './call-http';
import type { Database } from './database';
import { activityFailure } from './failures';
import { completeTask, type TaskResult, type TaskRow } from './instances';

export interface ActivityRunnerOptions {
  readonly db: Database;
  readonly worker: WorkerProcess;
  readonly functions: FunctionTable;
  /** Runs every activity twice, the second result ignored: activities that cannot be repeated show themselves. */
  readonly repeat: boolean;
}

const LOST_COUNT_MAX = 10;

export class ActivityRunner {
  readonly #options: ActivityRunnerOptions;

  constructor(options: ActivityRunnerOptions) {
    this.#options = options;
  }

  /** Returns the instance to wake, if its result mattered to one. Throws `WorkerLostError` for another delivery. */
  async run(executionId: string, taskId: number, lostCount: number): Promise<string | undefined> {
    const { db } = this.#options;
    const task = db.get<TaskRow>('SELECT * FROM tasks WHERE executionId = ? AND taskId = ?', executionId, taskId);
    if (task === undefined) {
      return undefined;
    }
    const result = await this.#execute(task, lostCount);
    const at = new Date().toISOString();
    return db.transaction(() => completeTask(db, executionId, taskId, result, at));
  }

  async #execute(task: TaskRow, lostCount: number): Promise<TaskResult> {
    const name = task.name ?? '';
    try {
      if (lostCount >= LOST_COUNT_MAX) {
        throw new Error(`the worker died ${lostCount} times while it ran`);
      }
      if (task.kind === 'http') {
        return { json: await callHttp(task.input ?? 'null') };
      }
      const first = await this.#invoke(task, name);
      if (this.#options.repeat) {
        await this.#invoke(task, name).catch(rethrowLost);
      }
      return { json: first };
    } catch (error) {
      rethrowLost(error);
      return { failure: activityFailure(name, error) };
    }
  }

  async #invoke(task: TaskRow, name: string): Promise<string> {
    const known = this.#options.functions.find(name, 'activityTrigger');
    if (known === undefined) {
      throw new Error(`The function '${name}' does not exist or is not an activity function.`);
    }
    const { returnValue } = await this.#options.worker.invoke({
      functionName: known.info.name,
      inputData: [{ name: known.trigger.name, data: { json: task.input ?? 'null' } }],
      triggerMetadata: { instanceId: { string: task.instanceId } },
    });
    return toJson(returnValue);
  }
}

function rethrowLost(error: unknown): void {
  if (error instanceof WorkerLostError) {
    throw error;
  }
}

/** What a function returned, as JSON text. Bytes become base64, as in the real host. */
export function toJson(data: TypedData | null | undefined): string {
  if (data === null || data === undefined) {
    return 'null';
  }
  if (data.json !== undefined) {
    return data.json;
  }
  if (data.bytes !== undefined) {
    return JSON.stringify(Buffer.from(data.bytes).toString('base64'));
  }
  return JSON.stringify(data.string ?? data.int ?? data.double ?? null);
}
