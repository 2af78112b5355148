/** From a request to a call: parameters, query, body, dry run and idempotency, in the order in which a caller can mend them. */
import type { z } from 'zod';
import { readBody, readNoBody } from './body';
import type { ApiDependencies } from './dependencies';
import type { ApiRequest, ApiResponse } from './http';
import { idempotent } from './idempotent';
import { badRequest, notFound } from './problem';
import { dryRunParameter, readQuery } from './query';
import { takeQuota } from './rate-limit';
import type { Call, CallContext, RouteFacts, Shape } from './route';

interface Schemas<P extends Shape, Q extends Shape, B extends z.ZodType> {
  readonly params: z.ZodObject<P>;
  readonly query: Q;
  readonly body: B | undefined;
}

export async function readInput<P extends Shape, Q extends Shape, B extends z.ZodType>(
  facts: RouteFacts,
  schemas: Schemas<P, Q, B>,
  request: ApiRequest,
  context: CallContext,
  deps: ApiDependencies,
  handle: (call: Call<P, Q, B>) => Promise<ApiResponse>,
): Promise<ApiResponse> {
  const params = readParams(facts, schemas.params, request);
  const { query, dryRun } = readQueryOf(facts, schemas.query, request);
  const body = (await readBodyOf(facts, schemas.body, request)) as z.output<B>;
  const { caller, requestId } = context;
  const countStart = async (): Promise<void> => {
    const perHour = facts.quotaPerHour;
    if (perHour !== undefined && !dryRun) await takeQuota(deps, caller, { what: facts.name, perHour });
  };
  const run = (seed: string | undefined) =>
    handle({ request, caller, requestId, params, query, body, dryRun, seed, countStart });
  return facts.mutates && !dryRun ? idempotent(deps, request, { caller, body }, run) : run(undefined);
}

/** What cannot be a name is not there: 404. Where it would become one, the caller is told what is wrong with it. */
function readParams<P extends Shape>(
  facts: RouteFacts,
  schema: z.ZodObject<P>,
  request: ApiRequest,
): z.output<z.ZodObject<P>> {
  const parsed = schema.safeParse(request.params);
  if (parsed.success) return parsed.data;
  if (facts.method !== 'PUT') throw notFound(`nothing is at ${new URL(request.url).pathname.slice(0, 200)}`);
  const errors = parsed.error.issues.map((issue) => ({
    parameter: String(issue.path[0] ?? ''),
    message: issue.message,
  }));
  throw badRequest('the path is not as it should be', errors);
}

function readQueryOf<Q extends Shape>(
  facts: RouteFacts,
  shape: Q,
  request: ApiRequest,
): { readonly query: z.output<z.ZodObject<Q>>; readonly dryRun: boolean } {
  if (!facts.mutates) return { query: readQuery(request, shape), dryRun: false };
  const others = new URLSearchParams(request.query);
  others.delete('dryRun');
  const given = request.query.getAll('dryRun').map((value): [string, string] => ['dryRun', value]);
  const { dryRun } = readQuery({ query: new URLSearchParams(given) }, { dryRun: dryRunParameter });
  return { query: readQuery({ query: others }, shape), dryRun };
}

async function readBodyOf(facts: RouteFacts, schema: z.ZodType | undefined, request: ApiRequest): Promise<unknown> {
  if (schema) return readBody(request, schema);
  if (facts.method !== 'GET' && facts.method !== 'HEAD') await readNoBody(request);
  return undefined;
}
