/** The control API: how tests and the demo look into the simulated clouds and disturb them. JSON over plain http. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import type { FaultRule } from './kit/faults';
import { readBody, sendJson } from './kit/http';
import { type Listener, listenOnLoopback } from './kit/listen';
import { type CloudContext, ControlError, type ControlHandler, type RegisterControl } from './kit/service';

const BODY_BYTES_MAX = 2 ** 20;

const actionSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('status'),
    status: z.int().min(200).max(599),
    code: z.string().optional(),
    retryAfterSeconds: z.int().min(0).optional(),
  }),
  z.object({ kind: z.literal('reset') }),
  z.object({ kind: z.literal('lost-reply') }),
  z.object({ kind: z.literal('stall'), ms: z.int().min(0) }),
  z.object({ kind: z.literal('delay'), ms: z.int().min(0) }),
  z.object({ kind: z.literal('truncate') }),
  z.object({ kind: z.literal('cut') }),
  z.object({ kind: z.enum(['short-chunked', 'empty', 'corrupt', 'other-bytes', 'other-range']) }),
  z.object({ kind: z.literal('drip'), bytes: z.int().min(1), everyMs: z.int().min(0) }),
  z.object({ kind: z.literal('expire') }),
]);

const ruleSchema = z
  .object({
    id: z.string().min(1).optional(),
    service: z.enum(['arm', 'disk', 'identity', 'aws', 'keyvault']).optional(),
    operation: z.string().optional(),
    pathIncludes: z.string().optional(),
    probability: z.number().min(0).max(1).optional(),
    skip: z.int().min(0).optional(),
    times: z.int().min(0).optional(),
    action: actionSchema,
  })
  .strict();

/** Routes by method and exact path; the last registration of one wins. */
export class ControlRoutes {
  private readonly handlers = new Map<string, ControlHandler>();

  readonly register: RegisterControl = (method, path, handler) => {
    this.handlers.set(`${method} ${path}`, handler);
  };

  find(method: string, path: string): ControlHandler | undefined {
    return this.handlers.get(`${method} ${path}`);
  }
}

/** Parses a control body; its defects become a 400 that names the fields. */
export function parseControl<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ControlError(400, z.prettifyError(result.error));
}

/** Faults and the request log: what the kit offers for every service. */
export function registerKitControl(context: CloudContext): void {
  const { faults, log, registerControl } = context;
  let nextId = 1;
  registerControl('GET', '/faults', () => ({ faults: faults.list() }));
  registerControl('POST', '/faults', ({ body }) => {
    const rules = (Array.isArray(body) ? body : [body]).map((rule) => parseControl(ruleSchema, rule));
    const added = rules.map((rule): FaultRule => withoutUndefined({ ...rule, id: rule.id ?? `fault-${nextId++}` }));
    for (const rule of added) faults.add(rule);
    return { ids: added.map(({ id }) => id) };
  });
  registerControl('DELETE', '/faults', ({ query }) => {
    const id = query.get('id');
    if (id === null) faults.clear();
    else if (!faults.remove(id)) throw new ControlError(404, `no fault rule ${id}`);
    return {};
  });
  registerControl('GET', '/log', ({ query }) => {
    const since = query.get('since');
    return {
      entries: log.entries({
        service: query.get('service') ?? undefined,
        since: since === null ? undefined : Number(since),
      }),
    };
  });
  registerControl('DELETE', '/log', () => {
    log.clear();
    return {};
  });
}

export async function listenControl(routes: ControlRoutes, port: number): Promise<Listener> {
  const server = createServer((request, response) => {
    answer(routes, request, response).catch(() => response.destroy());
  });
  const bound = await listenOnLoopback(server, port);
  return {
    port: bound,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(routes: ControlRoutes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://control.invalid');
    const handler = routes.find(request.method ?? '', url.pathname);
    if (handler === undefined) throw new ControlError(404, `no control route ${request.method} ${url.pathname}`);
    const text = (await readBody(request, BODY_BYTES_MAX)).toString('utf8');
    const result = await handler({ query: url.searchParams, body: parseJson(text) });
    sendJson(response, 200, result ?? {});
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    sendJson(response, error instanceof ControlError ? error.status : 500, { error: message });
  }
}

function parseJson(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ControlError(400, 'the body is not JSON');
  }
}

/** Drops members that are undefined, which a parsed rule has for each field that was not given. */
function withoutUndefined(rule: { readonly [Name in keyof FaultRule]: unknown }): FaultRule {
  return JSON.parse(JSON.stringify(rule)) as FaultRule;
}
