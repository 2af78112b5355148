/** Runs an entity: takes a batch of operations, calls the entity function once, commits state and answers together. */
import { randomUUID } from 'node:crypto';
import type { FunctionTable } from '../function-table';
import { messageOf } from '../log';
import { WorkerLostError, type WorkerProcess } from '../worker-process';
import { toJson } from './activity-runner';
import type { Database } from './database';
import {
  type EntityMessageRow,
  enqueueOperation,
  entityIdOf,
  findEntity,
  grantLock,
  splitEntityId,
  takeable,
} from './entity-inbox';
import { EventType, event } from './history';
import { findInstance, isEnded, send } from './instances';
import { newWoken, type Woken } from './turn-schedule';

export interface EntityRunnerOptions {
  readonly db: Database;
  readonly worker: WorkerProcess;
  readonly functions: FunctionTable;
  readonly batchSize: number;
}

/** What the SDK answers for a batch (`entities/EntityState.js`). Results and states are JSON text. */
interface EntityAnswer {
  readonly entityExists: boolean;
  readonly entityState?: string;
  readonly results: readonly { readonly isError: boolean; readonly result?: string }[];
  readonly signals: readonly {
    readonly target: { readonly name: string; readonly key: string };
    readonly name: string;
    readonly input?: string;
  }[];
}

export class EntityRunner {
  readonly #options: EntityRunnerOptions;

  constructor(options: EntityRunnerOptions) {
    this.#options = options;
  }

  /** Handles what the entity may take next. Wakes the entity itself when it should look again. */
  async run(entityId: string): Promise<Woken> {
    const { db } = this.#options;
    const woken = newWoken();
    const messages = takeable(db, entityId, this.#options.batchSize);
    const [first] = messages;
    if (first === undefined) {
      return woken;
    }
    woken.entities.add(entityId);
    if (first.kind === 'lock') {
      const next = db.transaction(() => grantLock(db, first, new Date().toISOString()));
      woken.entities.add(next.entity ?? entityId);
      if (next.instance !== undefined) {
        woken.instances.add(next.instance);
      }
      return woken;
    }
    const answer = await this.#invoke(entityId, messages);
    db.transaction(() => this.#commit(entityId, messages, answer, woken));
    return woken;
  }

  async #invoke(entityId: string, messages: readonly EntityMessageRow[]): Promise<EntityAnswer> {
    const { db, functions, worker } = this.#options;
    const { name, key } = splitEntityId(entityId);
    const entity = findEntity(db, entityId);
    const exists = entity?.present === 1;
    const unchanged = { entityExists: exists, ...(entity?.state == null ? {} : { entityState: entity.state }) };
    const refuse = (text: string): EntityAnswer => ({
      ...unchanged,
      results: messages.map(() => ({ isError: true, result: JSON.stringify(text) })),
      signals: [],
    });
    const known = functions.find(name, 'entityTrigger');
    if (known === undefined) {
      return refuse(`There is no entity function '${name}'.`);
    }
    const trigger = {
      self: { name, key },
      exists,
      ...(exists && entity?.state != null ? { state: entity.state } : {}),
      batch: messages.map((message) => ({
        id: message.requestId,
        name: message.name,
        isSignal: message.kind === 'signal',
        ...(message.input === null ? {} : { input: message.input }),
      })),
    };
    try {
      const result = await worker.invoke({
        functionName: known.info.name,
        inputData: [{ name: known.trigger.name, data: { json: JSON.stringify(trigger) } }],
        triggerMetadata: {},
      });
      return JSON.parse(toJson(result.returnValue)) as EntityAnswer;
    } catch (error) {
      if (error instanceof WorkerLostError) {
        throw error;
      }
      return refuse(messageOf(error));
    }
  }

  #commit(entityId: string, messages: readonly EntityMessageRow[], answer: EntityAnswer, woken: Woken): void {
    const { db } = this.#options;
    const at = new Date().toISOString();
    const state = answer.entityExists ? (answer.entityState ?? null) : null;
    db.run(
      `INSERT INTO entities (entityId, present, state, updatedAt) VALUES (?, ?, ?, ?) ON CONFLICT (entityId)
        DO UPDATE SET present = excluded.present, state = excluded.state, updatedAt = excluded.updatedAt`,
      ...[entityId, answer.entityExists ? 1 : 0, state, at],
    );
    messages.forEach((message, index) => {
      db.run('DELETE FROM entityInbox WHERE seq = ?', message.seq);
      const caller =
        message.kind === 'call' && message.callerId !== null ? findInstance(db, message.callerId) : undefined;
      if (caller === undefined || caller.executionId !== message.callerExecutionId || isEnded(caller.status)) {
        return;
      }
      const { isError = true, result } = answer.results[index] ?? {};
      // The SDK parses the result of a failure; one without a text would stop its replay.
      const text = isError ? (result ?? '"the entity gave no result"') : result;
      const input = JSON.stringify({ result: text, ...(isError ? { exceptionType: 'Error' } : {}) });
      const raised = event(EventType.eventRaised, at, { Name: message.requestId, Input: input });
      send(db, caller.instanceId, caller.executionId, raised);
      woken.instances.add(caller.instanceId);
    });
    for (const { target, name, input } of answer.signals) {
      const targetId = entityIdOf(target.name, target.key);
      const operation = {
        entityId: targetId,
        requestId: randomUUID(),
        name,
        isSignal: true,
        input: input || undefined,
      };
      enqueueOperation(db, { ...operation, callerId: null, callerExecutionId: null });
      woken.entities.add(targetId);
    }
  }
}
