/**
 * One row of the table that is the HTTP API. A row says everything about a route once: who may call it, what it takes, what
 * it answers, whether it changes anything. Registration, validation, authorization, idempotency, dry runs, the OpenAPI
 * document and the generated tests read it from here.
 */
import { z } from 'zod';
import type { Caller, Role } from './caller';
import type { ApiDependencies } from './dependencies';
import type { ApiRequest, ApiResponse } from './http';
import { readInput } from './route-input';

export type Shape = Readonly<Record<string, z.ZodType>>;

/** What a handler gets: everything parsed, and the caller known and allowed. */
export interface Call<P extends Shape = Shape, Q extends Shape = Shape, B extends z.ZodType = z.ZodType> {
  readonly request: ApiRequest;
  readonly caller: Caller;
  readonly params: z.output<z.ZodObject<P>>;
  readonly query: z.output<z.ZodObject<Q>>;
  readonly body: z.output<B>;
  /** Answer as the real request would, and change nothing. Only where the route mutates. */
  readonly dryRun: boolean;
  /** The same for every repetition under one Idempotency-Key: ids made of it start nothing twice. Absent without a key. */
  readonly seed: string | undefined;
  readonly requestId: string;
  /** Counts against `quotaPerHour`; 429 when it is used up. To be called when nothing but the start is left to do. */
  readonly countStart: () => Promise<void>;
}

/** What a status means and what its body is: a closed schema of JSON, or another media type with its description. */
export type Reply =
  | { readonly description: string; readonly schema?: z.ZodType; readonly headers?: Readonly<Record<string, string>> }
  | { readonly description: string; readonly media: string; readonly headers?: Readonly<Record<string, string>> };

/**
 * Where the caller's scopes are checked:
 * - public: open to everyone, tells nothing of the installation
 * - installation: not about any one VM
 * - vm: about VMs, their jobs or their points; the handler looks each up through the caller (`findMachine`, `findJob`,
 *   `findPoint`, `inScope`), so that one out of scope looks like one that is not there
 */
export type ScopeCheck = 'public' | 'installation' | 'vm';

export interface RouteFacts {
  /** Name of the function, operation id, and name in the log. */
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Below the host's prefix `api`; `{name}` for a parameter, `{*name}` for the rest of the path. */
  readonly path: string;
  /** Any of them suffices. 'anonymous' is for what tells nothing. */
  readonly roles: readonly Role[] | 'anonymous';
  readonly scope: ScopeCheck;
  /** Takes `dryRun` and `Idempotency-Key`, and is written to the audit log with its outcome. */
  readonly mutates: boolean;
  /** How many times an hour one caller may do it for real. */
  readonly quotaPerHour?: number;
  /** Takes If-Match and If-None-Match. */
  readonly conditional?: boolean;
  readonly area: string;
  readonly summary: string;
  readonly description?: string;
  /** Successes by status. Errors are problem+json everywhere and need no mention. */
  readonly replies: Readonly<Record<number, Reply>>;
}

/** A row as all but its own handler see it. */
export interface Route extends RouteFacts {
  readonly params: Shape;
  readonly query: Shape;
  /** Absent: the route takes no body. */
  readonly body?: z.ZodType | undefined;
  readonly example: Example;
  readonly run: (request: ApiRequest, context: CallContext, deps: ApiDependencies) => Promise<ApiResponse>;
}

/** A request that means something: in the document, and where the generated tests start. */
export interface Example {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface CallContext {
  readonly caller: Caller;
  readonly requestId: string;
}

interface RouteDefinition<P extends Shape, Q extends Shape, B extends z.ZodType> extends RouteFacts {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly example?: Example;
  readonly handler: (call: Call<P, Q, B>, deps: ApiDependencies) => Promise<ApiResponse>;
}

export function defineRoute<
  P extends Shape = Record<never, never>,
  Q extends Shape = Record<never, never>,
  B extends z.ZodType = z.ZodUndefined,
>(definition: RouteDefinition<P, Q, B>): Route {
  const { params = {} as P, query = {} as Q, body, handler, example = {}, ...facts } = definition;
  const schemas = { params: z.object(params), query, body };
  return {
    ...facts,
    params,
    query,
    body,
    example,
    run: (request, context, deps) => readInput(facts, schemas, request, context, deps, (call) => handler(call, deps)),
  };
}
