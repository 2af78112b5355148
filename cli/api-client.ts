/** The HTTP API as the commands use it: checked replies, problems as `CliError`s, repeats where they are safe. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { CliError } from './cli-error';
import type { ExitName } from './exit-codes';

export interface ApiClientOptions {
  /** Base address; paths begin with a slash. */
  readonly url: string;
  /** Headers of the caller: key or token. */
  readonly authorize: () => Promise<Readonly<Record<string, string>>>;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number) => Promise<void>;
  readonly fetch?: typeof fetch;
}

export interface ApiCall {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface ApiReply<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

const CALL_MS_MAX = 60_000;
const TRIES_MAX = 4;
const WAIT_MS = 1000;
const WAIT_MS_MAX = 30_000;
/** Of one list: beyond it the caller should filter. */
const PAGES_MAX = 10_000;

const problemSchema = z.object({
  code: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z
    .array(
      z.object({
        pointer: z.string().optional(),
        parameter: z.string().optional(),
        header: z.string().optional(),
        message: z.string(),
      }),
    )
    .optional(),
});

export class ApiClient {
  constructor(private readonly options: ApiClientOptions) {}

  get url(): string {
    return this.options.url;
  }

  /** The reply's body, as far as `schema` knows it: fields that a newer server adds are dropped. */
  async get<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    query?: ApiCall['query'],
  ): Promise<z.output<Schema>> {
    return (await this.call('GET', path, schema, { query })).body;
  }

  /** Every item of a paged list, page by page. */
  async *pages<Item extends z.ZodType>(
    path: string,
    item: Item,
    query?: ApiCall['query'],
  ): AsyncIterable<z.output<Item>> {
    const schema = z.object({ items: z.array(item), nextCursor: z.string().optional() });
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const { items, nextCursor } = await this.get(path, schema, {
        ...query,
        ...(cursor === undefined ? {} : { cursor }),
      });
      yield* items;
      if (nextCursor === undefined || nextCursor === cursor) return;
      cursor = nextCursor;
    }
  }

  /** With status and headers. A POST carries an idempotency key, so that repeating it after a lost reply starts nothing twice. */
  async call<Schema extends z.ZodType>(
    method: Method,
    path: string,
    schema: Schema,
    call: ApiCall = {},
  ): Promise<ApiReply<z.output<Schema>>> {
    const what = `${method} ${path}`;
    const { status, headers, text } = await this.repeated(method, path, call);
    const parsed = schema.safeParse(text === '' ? undefined : parseJson(what, text));
    if (parsed.success) return { status, headers, body: parsed.data };
    const issue = parsed.error.issues[0];
    const where = issue ? `${issue.path.map(String).join('.') || 'the answer'}: ${issue.message}` : 'the answer';
    throw new CliError('failed', `${what} answered in a form that this version does not know (${where})`, {
      code: 'api.reply',
      hint: 'use the command line of the same version as the API: `blockferry version` shows both',
    });
  }

  /** The body as text, for documents that are not JSON. */
  async text(path: string, accept: string): Promise<string> {
    return (await this.repeated('GET', path, { headers: { accept } })).text;
  }

  private async repeated(
    method: Method,
    path: string,
    call: ApiCall,
  ): Promise<{ status: number; headers: Headers; text: string }> {
    const what = `${method} ${path}`;
    const idempotency: Record<string, string> = method === 'POST' ? { 'idempotency-key': randomUUID() } : {};
    for (let attempt = 1; ; attempt += 1) {
      const reply = await this.once(method, path, { ...call, headers: { ...idempotency, ...call.headers } });
      if (typeof reply !== 'string' && reply.status < 400) return reply;
      const error = typeof reply === 'string' ? this.noAnswer(what, reply) : problem(what, reply.status, reply.text);
      if (error.exit !== 'unreachable' || attempt >= TRIES_MAX) throw error;
      const wished = typeof reply === 'string' ? 0 : Number(reply.headers.get('retry-after') ?? 0) * 1000;
      await this.options.sleep(Math.min(WAIT_MS_MAX, Math.max(WAIT_MS * attempt, wished)));
      this.options.signal.throwIfAborted();
    }
  }

  /** A string says why there was no answer. */
  private async once(
    method: Method,
    path: string,
    call: ApiCall,
  ): Promise<{ status: number; headers: Headers; text: string } | string> {
    const { fetch: send = fetch, signal } = this.options;
    const authorization = await this.options.authorize();
    try {
      const response = await send(`${this.options.url}${path}${queryOf(call.query)}`, {
        method,
        headers: {
          accept: 'application/json',
          ...authorization,
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        // A redirect would carry the key to wherever it points.
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)]),
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      signal.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return cause instanceof Error ? cause.message || cause.name : 'no answer';
    }
  }

  private noAnswer(what: string, why: string): CliError {
    return new CliError('unreachable', `${what}: no answer from ${this.options.url} (${why})`, {
      code: 'api.unreachable',
      hint: 'check the address with `blockferry version`, and that the function app runs',
    });
  }
}

function queryOf(query: ApiCall['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters}`;
}

function parseJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError('failed', `${what} did not answer with JSON`, {
      code: 'api.reply',
      hint: 'is the address that of the API itself, such as https://HOST/api?',
    });
  }
}

function problem(what: string, status: number, text: string): CliError {
  const parsed = problemSchema.safeParse(tryJson(text));
  const { code, detail, title, errors } = parsed.success ? parsed.data : {};
  const fields = errors?.map(({ pointer, parameter, header, message }) => ({
    at: pointer ?? parameter ?? header ?? '',
    message,
  }));
  const exit = exitOf(status, code);
  return new CliError(exit, detail ?? `${what} answered ${status}${title ? ` (${title})` : ''}`, {
    code: code ?? `http.${status}`,
    fields,
    hint: exit === 'denied' ? deniedHints[status] : undefined,
  });
}

const deniedHints: Readonly<Record<number, string>> = {
  401: 'the key or token is missing, wrong or too old: `blockferry login`, or set BLOCKFERRY_KEY or BLOCKFERRY_TOKEN',
  403: 'you are known and lack the role for this; docs/api.md says which role each route needs',
};

function exitOf(status: number, code: string | undefined): ExitName {
  if (code?.startsWith('budget.')) return 'budget';
  if (status === 401 || status === 403) return 'denied';
  if (status === 404) return 'nothing';
  if (status === 409 || status === 412) return 'conflict';
  if (status === 400) return 'usage';
  if (status === 429 || status === 503 || status === 504) return 'unreachable';
  return 'failed';
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
