/** The triggers that no request starts: timers and storage queues; and runs by hand of any of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './durable/database';
import type { FunctionTable, KnownFunction } from './function-table';
import type { HostConfig } from './host-json';
import { inputsOf, unsupportedReason } from './invocation-inputs';
import { type Log, messageOf } from './log';
import type { RetryContext, TypedData } from './protocol';
import { connectionName, queueClient } from './queue/connection';
import { QueueLeaseStore } from './queue/lease-store';
import { writeQueueOutputs } from './queue/output';
import { QueueTrigger } from './queue/queue-trigger';
import { parseRetryPolicy, type RetryPolicy } from './retry-policy';
import { resolveSettings, type Settings } from './settings';
import { TimerTrigger } from './timer/timer-trigger';
import type { WorkerProcess } from './worker-process';

export interface TriggersOptions {
  readonly db: Database;
  readonly worker: WorkerProcess;
  readonly functions: FunctionTable;
  readonly config: HostConfig;
  readonly settings: Settings;
  readonly clientBinding: string;
  readonly log: Log;
}

export class Triggers {
  readonly #options: TriggersOptions;
  readonly #timers = new Map<string, TimerTrigger>();
  readonly #queues: QueueTrigger[] = [];
  readonly #stopping = new AbortController();

  constructor(options: TriggersOptions) {
    this.#options = options;
  }

  /** Starts each trigger on its own: one that is set up wrongly is logged and does not stop the others. */
  start(): void {
    for (const known of this.#options.functions.all().filter((item) => unsupportedReason(item) === undefined)) {
      try {
        this.#startOne(known);
      } catch (error) {
        const functionName = known.info.name;
        const message = `The trigger could not be started: ${messageOf(error)}`;
        this.#options.log({ level: 'error', category: 'host.triggers', message, functionName });
      }
    }
  }

  stop(): void {
    this.#stopping.abort();
    for (const trigger of [...this.#timers.values(), ...this.#queues]) {
      trigger.stop();
    }
  }

  /** Starts a run and does not wait for it. False when the function has no such trigger or it is not running. */
  runByHand(functionName: string, input: string): boolean {
    const timer = this.#timers.get(functionName);
    if (timer !== undefined) {
      void timer.runNow();
      return true;
    }
    const known = this.#options.functions.find(functionName, 'queueTrigger');
    if (known === undefined || unsupportedReason(known) !== undefined) {
      return false;
    }
    const report = (error: unknown): void =>
      this.#options.log({ level: 'error', category: 'host.triggers', message: messageOf(error), functionName });
    void this.#run(known, { string: input }, {}).catch(report);
    return true;
  }

  #startOne(known: KnownFunction): void {
    const { db, config, settings, log } = this.#options;
    const { trigger } = known;
    if (trigger.type.toLowerCase() === 'timertrigger') {
      const scheduleText = resolveSettings(String(trigger['schedule']), settings);
      const policy = parseRetryPolicy(known.info.retryOptions);
      const run = (item: KnownFunction, json: string): Promise<void> => this.#runWithRetries(item, { json }, policy);
      const timer = new TimerTrigger({ db, known, scheduleText, run, log });
      this.#timers.set(known.info.name, timer);
      timer.start();
    } else if (trigger.type.toLowerCase() === 'queuetrigger') {
      const queue = resolveSettings(String(trigger['queueName']), settings);
      const connection = trigger['connection'];
      const queueTrigger = new QueueTrigger({
        ...{ known, queue, config: config.queues, log },
        client: queueClient(settings, connection, queue),
        poisonClient: queueClient(settings, connection, `${queue}-poison`),
        leases: new QueueLeaseStore(db, connectionName(connection), queue),
        run: (item, text, metadata) => this.#run(item, { string: text }, metadata),
      });
      this.#queues.push(queueTrigger);
      queueTrigger.start();
    }
  }

  /** Runs until it succeeds or the policy is used up; then rejects with the last failure. */
  async #runWithRetries(known: KnownFunction, data: TypedData, policy: RetryPolicy | undefined): Promise<void> {
    const { signal } = this.#stopping;
    const retriesMax = policy?.retriesMax ?? 0;
    const maxRetryCount = Number.isFinite(retriesMax) ? retriesMax : -1;
    let context: RetryContext | undefined = policy && { retryCount: 0, maxRetryCount };
    for (let retry = 1; ; retry += 1) {
      try {
        return await this.#run(known, data, {}, context);
      } catch (error) {
        if (policy === undefined || retry > retriesMax || signal.aborted) {
          throw error;
        }
        const message = `Retry ${retry}: ${messageOf(error)}`;
        const functionName = known.info.name;
        this.#options.log({ level: 'warning', category: 'host.triggers', message, functionName });
        context = { retryCount: retry, maxRetryCount, exception: { message: messageOf(error) } };
        await sleep(policy.delayMs(retry), undefined, { signal });
      }
    }
  }

  async #run(
    known: KnownFunction,
    data: TypedData,
    metadata: Readonly<Record<string, TypedData>>,
    retryContext?: RetryContext,
  ): Promise<void> {
    const { worker, settings, config, clientBinding } = this.#options;
    const inputData = inputsOf(known, data, clientBinding);
    const result = await worker.invoke({
      ...{ functionName: known.info.name, inputData, triggerMetadata: metadata },
      ...(retryContext === undefined ? {} : { retryContext }),
    });
    await writeQueueOutputs(settings, config.queues.encoding, known, result);
  }
}
