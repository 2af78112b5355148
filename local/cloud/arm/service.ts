/**
 * Azure Resource Manager as far as the product uses it: bearer tokens, groups, lists in pages, long-running operations
 * by both headers, and the handlers of each resource type inside one transaction a request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, sendJson } from '../kit/http';
import type { CloudService } from '../kit/service';
import { ArmError, notEmulated, resourceNotFound } from './arm-error';
import { type ArmPath, parseArmPath, resourceId } from './arm-path';
import { asObject, type Json } from './json';
import { operationName, ROUTES } from './routes';
import { instanceViews } from './scale-sets';
import type { ArmCall, ArmReply, ArmWorld } from './world';

const BODY_BYTES_MAX = 4 * 2 ** 20;
/** Of the compute resource provider, which counts polls of operations by itself. */
const POLLS_MAX = 15_000;

/** The verdict on a bearer token. */
export type TokenVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string };

export interface ArmServiceParts {
  readonly world: ArmWorld;
  readonly subscriptions: readonly string[];
  readonly verifyToken: (token: string) => TokenVerdict;
  /** This service's own, `https://localhost:PORT`: the links in its answers must lead back to it. */
  readonly origin: () => string;
}

export function createArmService(parts: ArmServiceParts): CloudService {
  const quota = { reads: 250, writes: 200, deletes: 200, polls: POLLS_MAX };
  return {
    name: 'arm',
    operationOf: (request) => operationName(parseArmPath(urlOf(request).pathname), request.method ?? 'GET'),
    errorReply: (operation, status, code) => ({
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(errorBody(code ?? defaultCode(status), `${operation}: injected status ${status}`)),
    }),
    async handle(request, response) {
      response.setHeader('x-ms-request-id', parts.world.random.uuid());
      response.setHeader('cache-control', 'no-cache');
      try {
        const path = pathOf(request);
        authenticate(parts, request);
        countDown(response, quota, request.method ?? 'GET', path?.types[0] === 'locations');
        const text = (await readBody(request, BODY_BYTES_MAX)).toString('utf8');
        const reply = answer(parts, request, path, parseBody(text));
        sendReply(parts, response, urlOf(request), reply);
      } catch (error) {
        if (!(error instanceof ArmError)) throw error;
        sendJson(response, error.status, errorBody(error.code, error.message), error.headers);
      }
    },
    close: async () => undefined,
  };
}

function authenticate(parts: ArmServiceParts, request: IncomingMessage): void {
  const refuse = (code: string, message: string): ArmError =>
    new ArmError(401, code, message, {
      'www-authenticate': `Bearer authorization_uri="${parts.origin()}", error="invalid_token", error_description="${message}"`,
    });
  const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'bearer') {
    throw refuse('AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.");
  }
  if (request.fault?.kind === 'expire') throw refuse('ExpiredAuthenticationToken', 'The access token expired.');
  const verdict = parts.verifyToken(token);
  if (!verdict.ok) throw refuse(verdict.code, verdict.message);
}

function answer(parts: ArmServiceParts, request: IncomingMessage, path: ArmPath | undefined, body: Json): ArmReply {
  const url = urlOf(request);
  const method = request.method ?? 'GET';
  if (path === undefined) throw new ArmError(404, 'InvalidResourceType', 'The resource type could not be found.');
  if (!parts.subscriptions.some((subscription) => subscription.toLowerCase() === path.subscription.toLowerCase())) {
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${path.subscription}' could not be found.`);
  }
  if (!url.searchParams.has('api-version')) {
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required.',
    );
  }
  const { world } = parts;
  if (path.types[0] === 'locations') return operationStatus(world, path, url.searchParams);
  if (path.types.length === 0 && path.tail === undefined) return group(world, path, method, body);
  if (path.resourceGroup !== undefined && !world.resources.hasGroup(path.subscription, path.resourceGroup)) {
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${path.resourceGroup}' could not be found.`);
  }
  const call: ArmCall = { path, query: url.searchParams, body };
  if (method === 'GET' && path.tail !== undefined) return list(parts, call, url);
  const routes = ROUTES[path.types.join('/')];
  const handler = routes?.handlers[path.tail === undefined ? method : `${method} ${path.tail}`];
  if (handler === undefined) throw notEmulated(`${method} ${path.types.join('/')} ${path.tail ?? ''}`.trim());
  const reply = world.database.transaction(() => handler.handle(world, call));
  world.volumes.sweep();
  if (path.types[0] === 'virtualmachinescalesets') world.onScaleSetChanged();
  return reply;
}

function list({ world, origin }: ArmServiceParts, call: ArmCall, url: URL): ArmReply {
  const { path, query } = call;
  const items = listed(world, path, query);
  const token = query.get('$skiptoken') ?? '0';
  if (!/^\d{1,9}$/.test(token))
    throw new ArmError(400, 'InvalidParameter', 'The $skiptoken is not one of this service.');
  const start = Number(token);
  const end = start + world.behaviour.listPageSize;
  const next = new URL(`${origin()}${url.pathname}${url.search}`);
  next.searchParams.set('$skiptoken', String(end));
  return {
    status: 200,
    body: { value: items.slice(start, end), ...(end < items.length ? { nextLink: next.toString() } : {}) },
  };
}

function listed(world: ArmWorld, path: ArmPath, query: URLSearchParams): readonly Json[] {
  const type = [...path.types, path.tail].join('/');
  const parentId = path.types.length === 0 ? undefined : resourceId(path);
  const parent = parentId === undefined ? undefined : world.resources.get(parentId);
  if (parentId !== undefined && parent === undefined) throw resourceNotFound(parentId);
  if (type === 'virtualmachinescalesets/virtualmachines' && parent !== undefined) return instanceViews(world, parent);
  const view = ROUTES[type]?.view;
  if (view === undefined) throw notEmulated(`listing ${type}`);
  return world.resources
    .list(type, {
      subscription: path.subscription,
      resourceGroup: path.resourceGroup,
      ...(parentId === undefined ? {} : { parent: parentId }),
    })
    .map((resource) => view(world, resource, query));
}

function group(world: ArmWorld, path: ArmPath, method: string, body: Json): ArmReply {
  const { subscription, resourceGroup } = path;
  if (resourceGroup === undefined) throw notEmulated('this operation on a subscription');
  if (method === 'PUT') world.resources.addGroup(subscription, resourceGroup, String(body['location'] ?? ''));
  else if (method !== 'GET' && method !== 'HEAD') throw notEmulated(`${method} of a resource group`);
  const found = world.resources.getGroup(subscription, resourceGroup);
  if (found === undefined) {
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${resourceGroup}' could not be found.`);
  }
  const id = `/subscriptions/${subscription}/resourceGroups/${found.name}`;
  return { status: 200, body: { id, ...found, properties: { provisioningState: 'Succeeded' } } };
}

/** `Azure-AsyncOperation` gives a status document, `Location` (monitor=true) 202 until it gives the result. */
function operationStatus(world: ArmWorld, path: ArmPath, query: URLSearchParams): ArmReply {
  const operation = world.operations.get(path.names[1] ?? '');
  if (operation === undefined) throw new ArmError(404, 'NotFound', 'The operation was not found.');
  const isReady = world.now() >= operation.readyAt;
  if (query.get('monitor') === 'true') {
    return isReady ? { status: 200, body: operation.result } : { status: 202 };
  }
  return {
    status: 200,
    body: {
      name: operation.id,
      startTime: new Date(operation.startedAt).toISOString(),
      status: isReady ? 'Succeeded' : 'InProgress',
      ...(isReady && operation.result !== undefined ? { properties: { output: operation.result } } : {}),
    },
  };
}

function sendReply(parts: ArmServiceParts, response: ServerResponse, url: URL, reply: ArmReply): void {
  const { world, origin } = parts;
  const retryAfter = String(Math.floor(world.behaviour.lroMs / 1000));
  if (reply.operation !== undefined) {
    const id = world.random.uuid();
    const now = world.now();
    world.operations.start({
      id,
      startedAt: now,
      readyAt: now + world.behaviour.lroMs,
      result: reply.operation.result,
    });
    const subscription = url.pathname.split('/')[2] ?? '';
    const link = `${origin()}/subscriptions/${subscription}/providers/Microsoft.Compute/locations/local/operations/${id}?api-version=${url.searchParams.get('api-version') ?? ''}`;
    response.setHeader('azure-asyncoperation', link);
    response.setHeader('location', `${link}&monitor=true`);
    response.setHeader('retry-after', retryAfter);
  } else if (reply.status === 202) {
    response.setHeader('location', `${origin()}${url.pathname}${url.search}`);
    response.setHeader('retry-after', retryAfter);
  }
  sendJson(response, reply.status, reply.body);
}

/** Shown and never enforced: refusals come from fault rules. */
function countDown(
  response: ServerResponse,
  quota: { reads: number; writes: number; deletes: number; polls: number },
  method: string,
  isPoll: boolean,
): void {
  const bucket = method === 'DELETE' ? 'deletes' : method === 'GET' || method === 'HEAD' ? 'reads' : 'writes';
  quota[bucket] = quota[bucket] <= 1 ? (bucket === 'reads' ? 250 : 200) : quota[bucket] - 1;
  response.setHeader(`x-ms-ratelimit-remaining-subscription-${bucket}`, String(quota[bucket]));
  response.setHeader(`x-ms-ratelimit-remaining-subscription-global-${bucket}`, String(quota[bucket] * 15));
  if (isPoll) {
    quota.polls = quota.polls <= 1 ? POLLS_MAX : quota.polls - 1;
    response.setHeader('x-ms-ratelimit-remaining-resource', `Microsoft.Compute/GetOperation3Min;${quota.polls}`);
  }
}

function parseBody(text: string): Json {
  if (text === '') return {};
  try {
    return asObject(JSON.parse(text));
  } catch {
    throw new ArmError(400, 'InvalidRequestContent', 'The request content was invalid and could not be deserialized.');
  }
}

function errorBody(code: string, message: string): Json {
  return { error: { code, message } };
}

function defaultCode(status: number): string {
  if (status === 429) return 'TooManyRequests';
  if (status === 409) return 'Conflict';
  if (status === 404) return 'ResourceNotFound';
  if (status === 401) return 'AuthenticationFailed';
  if (status === 403) return 'AuthorizationFailed';
  return status === 503 ? 'ServerTimeout' : 'InternalServerError';
}

function pathOf(request: IncomingMessage): ArmPath | undefined {
  try {
    return parseArmPath(urlOf(request).pathname);
  } catch {
    throw new ArmError(400, 'InvalidRequestUri', 'The request URI is not valid.');
  }
}

function urlOf(request: IncomingMessage): URL {
  return new URL(request.url ?? '/', 'https://arm.invalid');
}
