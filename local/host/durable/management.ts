/** What clients may do to orchestrations and entities. Each call is one transaction; answers are HTTP-shaped results. */
import { randomUUID } from 'node:crypto';
import type { DurableEngine } from './engine';
import { enqueueOperation, entityIdOf, releaseLocks } from './entity-inbox';
import { EventType, event } from './history';
import { type InstanceFilter, listInstances } from './instance-query';
import {
  createInstance,
  endInstance,
  findInstance,
  InstanceExistsError,
  type InstanceRow,
  isEnded,
  removeInstance,
  send,
} from './instances';
import { rewind } from './rewind';

export type Answer = 'done' | 'not-found' | 'ended' | 'wrong-state';

export interface StartRequest {
  readonly name: string;
  readonly instanceId: string | undefined;
  /** JSON text. */
  readonly input: string | undefined;
  readonly version: string | undefined;
}

export type StartAnswer =
  | { readonly kind: 'started'; readonly instanceId: string }
  | { readonly kind: 'refused'; readonly isConflict: boolean; readonly reason: string };

export class DurableManagement {
  readonly #engine: DurableEngine;

  constructor(engine: DurableEngine) {
    this.#engine = engine;
  }

  start(request: StartRequest): StartAnswer {
    const known = this.#engine.functions.find(request.name, 'orchestrationTrigger');
    if (known === undefined) {
      const reason = `The function '${request.name}' does not exist, is disabled, or is not an orchestrator function.`;
      return { kind: 'refused', isConflict: false, reason };
    }
    const instanceId = request.instanceId ?? randomUUID().replaceAll('-', '');
    if (instanceId.startsWith('@')) {
      return { kind: 'refused', isConflict: false, reason: 'Instance ids must not start with @; entities have those.' };
    }
    const version = request.version ?? this.#engine.config.defaultVersion;
    const { db } = this.#engine;
    try {
      db.transaction(() =>
        createInstance(db, { instanceId, name: known.info.name, input: request.input, version }, now()),
      );
    } catch (error) {
      if (error instanceof InstanceExistsError) {
        return { kind: 'refused', isConflict: true, reason: error.message };
      }
      throw error;
    }
    this.#engine.wakeInstance(instanceId);
    return { kind: 'started', instanceId };
  }

  /** `input` is JSON text. */
  raiseEvent(instanceId: string, name: string, input: string): Answer {
    return this.#onLiving(instanceId, () => {
      send(this.#engine.db, instanceId, null, event(EventType.eventRaised, now(), { Name: name, Input: input }));
    });
  }

  terminate(instanceId: string, reason: string): Answer {
    const { db } = this.#engine;
    return this.#onLiving(instanceId, (instance) => {
      const text = `Orchestration '${instanceId}' was terminated: ${reason}`;
      const end = {
        status: 'Terminated',
        output: JSON.stringify(reason),
        result: { failure: { reason: text, text } },
      } as const;
      for (const parentId of endInstance(db, instance, end, now())) {
        this.#engine.wakeInstance(parentId);
      }
      for (const entityId of releaseLocks(db, instance.executionId)) {
        this.#engine.wakeEntity(entityId);
      }
    });
  }

  /** Events keep arriving while suspended; turns wait. */
  suspend(instanceId: string): Answer {
    return this.#onLiving(instanceId, () => this.#setStatus(instanceId, 'Suspended'));
  }

  resume(instanceId: string): Answer {
    return this.#onLiving(instanceId, ({ status }) => {
      if (status === 'Suspended') {
        this.#setStatus(instanceId, 'Running');
      }
    });
  }

  rewind(instanceId: string): Answer {
    const { db } = this.#engine;
    const instance = findInstance(db, instanceId);
    if (instance === undefined) {
      return 'not-found';
    }
    if (instance.status !== 'Failed') {
      return 'wrong-state';
    }
    const { woken, executionIds } = db.transaction(() => rewind(db, instance, now()));
    this.#engine.wakeRewound(woken, executionIds);
    return 'done';
  }

  /** Starts the same orchestration with the same input again, under a new id unless told otherwise. */
  restart(instanceId: string, withNewId: boolean): StartAnswer | undefined {
    const instance = findInstance(this.#engine.db, instanceId);
    if (instance === undefined) {
      return undefined;
    }
    const { name, input, version } = instance;
    const id = withNewId ? undefined : instanceId;
    return this.start({ name, instanceId: id, input: input ?? undefined, version: version ?? undefined });
  }

  /** Removes an ended instance; returns how many were removed. */
  purge(instanceId: string): number {
    const { db } = this.#engine;
    return db.transaction(() => {
      const instance = findInstance(db, instanceId);
      if (instance === undefined || !isEnded(instance.status)) {
        return 0;
      }
      removeInstance(db, instance);
      return 1;
    });
  }

  purgeMany(filter: InstanceFilter): number {
    let purged = 0;
    let continuation: string | undefined;
    do {
      const page = listInstances(this.#engine.db, filter, undefined, continuation);
      purged += page.rows.reduce((count, { instanceId }) => count + this.purge(instanceId), 0);
      continuation = page.continuation;
    } while (continuation !== undefined);
    return purged;
  }

  /** `input` is JSON text. False when the app has no such entity. */
  signalEntity(name: string, key: string, operation: string, input: string | undefined): boolean {
    if (this.#engine.functions.find(name, 'entityTrigger') === undefined) {
      return false;
    }
    const entityId = entityIdOf(name, key);
    const message = { entityId, requestId: randomUUID(), name: operation, isSignal: true, input };
    enqueueOperation(this.#engine.db, { ...message, callerId: null, callerExecutionId: null });
    this.#engine.wakeEntity(entityId);
    return true;
  }

  #onLiving(instanceId: string, action: (instance: InstanceRow) => void): Answer {
    const { db } = this.#engine;
    const answer = db.transaction((): Answer => {
      const instance = findInstance(db, instanceId);
      if (instance === undefined) {
        return 'not-found';
      }
      if (isEnded(instance.status)) {
        return 'ended';
      }
      action(instance);
      return 'done';
    });
    this.#engine.wakeInstance(instanceId);
    return answer;
  }

  #setStatus(instanceId: string, status: InstanceRow['status']): void {
    const sql = 'UPDATE instances SET status = ?, updatedAt = ? WHERE instanceId = ?';
    this.#engine.db.run(sql, status, now(), instanceId);
  }
}

function now(): string {
  return new Date().toISOString();
}
