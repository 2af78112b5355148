/**
 * The durable HTTP API: one set of routes, served under the webhook path (with the system key) and under the
 * loopback RPC address which the SDK's client uses.
 * Source: azure-functions-durable-extension `HttpApiHandler.cs`; durable-functions 3.5.0 `DurableClient.js`.
 */

import { type ClientAddresses, managementUrls } from './client-urls';
import type { DurableEngine } from './engine';
import { entityIdOf, findEntity, splitEntityId } from './entity-inbox';
import { type InstanceFilter, listInstances, statusOf } from './instance-query';
import { findInstance, isEnded } from './instances';
import { type Answer, DurableManagement, type StartAnswer } from './management';

/** `path` holds the decoded segments below the API's root; `body` is the request's text. */
export interface ApiRequest {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const NOT_FOUND: ApiAnswer = { status: 404, body: { Message: 'not found' } };

export class DurableClientApi {
  readonly #engine: DurableEngine;
  readonly #manage: DurableManagement;
  readonly #addresses: ClientAddresses;

  constructor(engine: DurableEngine, addresses: ClientAddresses) {
    this.#engine = engine;
    this.#manage = new DurableManagement(engine);
    this.#addresses = addresses;
  }

  handle(request: ApiRequest): ApiAnswer {
    const [area, ...rest] = request.path.filter((segment) => segment !== '');
    switch (area?.toLowerCase()) {
      case 'orchestrators':
        return this.#start(request, rest);
      case 'instances':
        return rest.length === 0 ? this.#many(request) : this.#one(request, rest);
      case 'entities':
        return this.#entity(request, rest);
      default:
        return NOT_FOUND;
    }
  }

  #start(request: ApiRequest, [name, instanceId]: readonly string[]): ApiAnswer {
    if (request.method !== 'POST' || name === undefined) {
      return NOT_FOUND;
    }
    const input = jsonBody(request.body);
    if (input === 'invalid') {
      return badRequest('The body is not JSON.');
    }
    const version = request.query.get('version') ?? undefined;
    return this.#started(this.#manage.start({ name, instanceId, input: input?.text, version }));
  }

  #started(answer: StartAnswer): ApiAnswer {
    if (answer.kind === 'refused') {
      return { status: answer.isConflict ? 409 : 400, body: { Message: answer.reason } };
    }
    const urls = managementUrls(this.#addresses, answer.instanceId);
    return { status: 202, body: urls, headers: { location: urls['statusQueryGetUri'] ?? '', 'retry-after': '10' } };
  }

  #many({ method, query, headers }: ApiRequest): ApiAnswer {
    const filter = filterOf(query);
    if (filter === undefined) {
      return badRequest('createdTimeFrom and createdTimeTo must be dates.');
    }
    if (limitOf(query) === 0) {
      return badRequest('top must be a positive whole number.');
    }
    if (method === 'DELETE') {
      const instancesDeleted = this.#manage.purgeMany(filter);
      return instancesDeleted === 0 ? NOT_FOUND : { status: 200, body: { instancesDeleted } };
    }
    const { db } = this.#engine;
    const token = headers['x-ms-continuation-token'];
    try {
      const page = listInstances(
        db,
        filter,
        limitOf(query),
        typeof token === 'string' && token !== '' ? token : undefined,
      );
      const options = { showInput: query.get('showInput') !== 'false', showHistory: false, showHistoryOutput: false };
      const next = page.continuation === undefined ? {} : { 'x-ms-continuation-token': page.continuation };
      return { status: 200, body: page.rows.map((row) => statusOf(db, row, options)), headers: next };
    } catch {
      return badRequest('The continuation token is not valid.');
    }
  }

  #one(request: ApiRequest, [instanceId = '', verb, eventName]: readonly string[]): ApiAnswer {
    if (verb === undefined) {
      return request.method === 'DELETE' ? this.#purge(instanceId) : this.#status(request, instanceId);
    }
    if (request.method !== 'POST') {
      return { status: 405 };
    }
    const reason = request.query.get('reason') ?? '';
    switch (verb.toLowerCase()) {
      case 'raiseevent':
        return this.#raise(request, instanceId, eventName);
      case 'terminate':
        return answerOf(this.#manage.terminate(instanceId, reason));
      case 'suspend':
        return answerOf(this.#manage.suspend(instanceId));
      case 'resume':
        return answerOf(this.#manage.resume(instanceId));
      case 'rewind':
        return answerOf(this.#manage.rewind(instanceId));
      case 'restart': {
        const answer = this.#manage.restart(instanceId, request.query.get('restartWithNewInstanceId') !== 'false');
        return answer === undefined ? NOT_FOUND : this.#started(answer);
      }
      default:
        return { status: 501, body: { Message: `${verb} is not emulated.` } };
    }
  }

  #raise(request: ApiRequest, instanceId: string, eventName: string | undefined): ApiAnswer {
    const input = jsonBody(request.body);
    if (eventName === undefined || input === 'invalid') {
      return badRequest('raiseEvent needs an event name in the path and a JSON body.');
    }
    return answerOf(this.#manage.raiseEvent(instanceId, eventName, input?.text ?? 'null'));
  }

  #purge(instanceId: string): ApiAnswer {
    const instancesDeleted = this.#manage.purge(instanceId);
    return instancesDeleted === 0 ? NOT_FOUND : { status: 200, body: { instancesDeleted } };
  }

  #status({ query }: ApiRequest, instanceId: string): ApiAnswer {
    const { db } = this.#engine;
    const instance = findInstance(db, instanceId);
    if (instance === undefined) {
      return NOT_FOUND;
    }
    const body = statusOf(db, instance, {
      showInput: query.get('showInput') !== 'false',
      showHistory: query.get('showHistory') === 'true',
      showHistoryOutput: query.get('showHistoryOutput') === 'true',
    });
    if (!isEnded(instance.status)) {
      const location = managementUrls(this.#addresses, instanceId)['statusQueryGetUri'] ?? '';
      return { status: 202, body, headers: { location, 'retry-after': '10' } };
    }
    const isError = instance.status === 'Failed' && query.get('returnInternalServerErrorOnFailure') === 'true';
    return { status: isError ? 500 : 200, body };
  }

  #entity({ method, query, body }: ApiRequest, [name, key]: readonly string[]): ApiAnswer {
    const { db } = this.#engine;
    if (name === undefined || key === undefined) {
      return method === 'GET' ? this.#listEntities(name) : NOT_FOUND;
    }
    if (method === 'GET') {
      const entity = findEntity(db, entityIdOf(name, key));
      return entity?.present === 1 ? { status: 200, body: JSON.parse(entity.state ?? 'null') } : NOT_FOUND;
    }
    if (method === 'DELETE') {
      const sql = 'UPDATE entities SET present = 0, state = NULL WHERE entityId = ? AND present = 1';
      return db.run(sql, entityIdOf(name, key)) === 0 ? NOT_FOUND : { status: 202 };
    }
    const input = jsonBody(body);
    if (input === 'invalid') {
      return badRequest('The body is not JSON.');
    }
    return this.#manage.signalEntity(name, key, query.get('op') ?? '', input?.text) ? { status: 202 } : NOT_FOUND;
  }

  #listEntities(name: string | undefined): ApiAnswer {
    const prefix = name === undefined ? '@' : entityIdOf(name, '');
    const rows = this.#engine.db.all<{ entityId: string; updatedAt: string }>(
      'SELECT entityId, updatedAt FROM entities WHERE present = 1 AND substr(entityId, 1, ?) = ? ORDER BY entityId',
      ...[prefix.length, prefix],
    );
    return {
      status: 200,
      body: rows.map((row) => ({ entityId: splitEntityId(row.entityId), lastOperationTime: row.updatedAt })),
    };
  }
}

function answerOf(answer: Answer): ApiAnswer {
  return { status: { done: 202, 'not-found': 404, ended: 410, 'wrong-state': 412 }[answer] };
}

function badRequest(message: string): ApiAnswer {
  return { status: 400, body: { Message: message } };
}

/** An empty body means "no input", which is not the same as the input null. */
function jsonBody(body: string): { readonly text: string } | undefined | 'invalid' {
  if (body === '') {
    return undefined;
  }
  try {
    JSON.parse(body);
    return { text: body };
  } catch {
    return 'invalid';
  }
}

/** Undefined when the caller names none, 0 when it is no positive whole number. */
function limitOf(query: URLSearchParams): number | undefined {
  const text = query.get('top') ?? '';
  return text === '' ? undefined : /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

function filterOf(query: URLSearchParams): InstanceFilter | undefined {
  const from = instant(query.get('createdTimeFrom'));
  const to = instant(query.get('createdTimeTo'));
  if (from === 'invalid' || to === 'invalid') {
    return undefined;
  }
  const idPrefix = query.get('instanceIdPrefix') ?? undefined;
  return {
    statuses: (query.get('runtimeStatus') ?? '').split(',').filter((status) => status !== ''),
    ...(from === undefined ? {} : { createdFrom: from }),
    ...(to === undefined ? {} : { createdTo: to }),
    ...(idPrefix === undefined ? {} : { idPrefix }),
  };
}

function instant(text: string | null): string | undefined | 'invalid' {
  if (text === null || text === '') {
    return undefined;
  }
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? 'invalid' : at.toISOString();
}
