/**
 * Every error answer is application/problem+json (RFC 9457). Two sources: a ProblemError, thrown by the use cases for what
 * only HTTP knows, and an AppError from below. Anything else is a bug of ours: 500 without a word about what it was.
 */
import { z } from 'zod';
import { AppError } from '../model/errors';
import type { ApiResponse } from './http';

/** A place in the body (JSON pointer), a query parameter, or a header; and what is wrong there. */
export type FieldError =
  | { readonly pointer: string; readonly message: string }
  | { readonly parameter: string; readonly message: string }
  | { readonly header: string; readonly message: string };

export interface ProblemParts {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Members of this problem alone, such as the id of the job in the way. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

const fieldErrorSchema = z.union([
  z.strictObject({ pointer: z.string(), message: z.string() }),
  z.strictObject({ parameter: z.string(), message: z.string() }),
  z.strictObject({ header: z.string(), message: z.string() }),
]);

/** Open at the end only: a problem may carry members of its own, such as the id of the job in the way. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    errors: z.array(fieldErrorSchema).optional(),
  })
  .meta({ id: 'Problem' });

export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  constructor(readonly parts: ProblemParts) {
    super(`[${parts.code}] ${parts.detail}`);
  }
}

export const badRequest = (detail: string, errors: readonly FieldError[]): ProblemError =>
  new ProblemError({ status: 400, code: 'request.invalid', detail, errors });

export const notFound = (what: string, code = 'request.not-found'): ProblemError =>
  new ProblemError({ status: 404, code, detail: what });

const FIELD_ERRORS_MAX = 20;

/** zod's issues as JSON pointers. Unknown fields are pointed at one by one: that is where the typing error is. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], prefix = ''): FieldError[] {
  return issues
    .flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ pointer: prefix + pointerOf([...issue.path, key]), message: 'unknown field' }))
        : [{ pointer: prefix + pointerOf(issue.path), message: issue.message }],
    )
    .slice(0, FIELD_ERRORS_MAX);
}

/** RFC 6901. */
export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** The answer to whatever was thrown. `requestId` is the invocation's: the log has the rest under it. */
export function problemResponse(error: unknown, requestId: string): ApiResponse {
  const parts = partsOf(error, requestId);
  return {
    status: parts.status,
    headers: parts.headers ?? {},
    body: {
      type: `urn:blockferry:problem:${parts.code}`,
      title: titles[parts.status] ?? 'Error',
      status: parts.status,
      detail: parts.detail,
      instance: `urn:uuid:${requestId}`,
      code: parts.code,
      ...(parts.errors ? { errors: parts.errors } : {}),
      ...parts.extra,
    },
  };
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  412: 'Precondition failed',
  413: 'Body too large',
  415: 'Unsupported media type',
  416: 'Range not satisfiable',
  422: 'Cannot be done',
  429: 'Too many requests',
  500: 'Internal error',
  502: 'Refused by a cloud',
  503: 'Not available now',
};

/** Codes that are the caller's business, with their status. All others say nothing but that something failed. */
const callersCodes: Readonly<Partial<Record<AppError['code'], number>>> = {
  'request.invalid': 400,
  'caller.unknown': 401,
  'request.not-found': 404,
  'record.not-found': 404,
  'vm.not-found': 404,
  'disk.not-found': 404,
  'request.conflict': 409,
  'restore.target-exists': 409,
  'vm.unsupported': 422,
  'disk.unsupported': 422,
  'restore.target-invalid': 422,
};
const RETRY_SECONDS = 10;

function partsOf(error: unknown, requestId: string): ProblemParts {
  if (error instanceof ProblemError) return error.parts;
  if (!(error instanceof AppError)) return internal(requestId);
  const status = callersCodes[error.code];
  if (status !== undefined) {
    const { parameter } = error.context;
    const errors =
      parameter === undefined ? undefined : [{ parameter: String(parameter), message: plainMessage(error) }];
    return { status, code: error.code, detail: plainMessage(error), ...(errors ? { errors } : {}) };
  }
  if (error.code === 'cloud.denied' || error.code === 'store.denied' || error.code === 'cloud.rejected') {
    const detail = `a cloud refused what this needs; an operator finds why in the log under ${requestId}`;
    return { status: 502, code: error.code, detail };
  }
  if (error.retryable || error.code === 'cloud.timeout' || error.code === 'record.conflict') {
    const seconds = Math.max(1, Math.ceil((error.retryAfterMs ?? RETRY_SECONDS * 1000) / 1000));
    const detail = 'something this needs does not answer now; the same request may succeed later';
    return { status: 503, code: error.code, detail, headers: { 'retry-after': String(seconds) } };
  }
  return internal(requestId);
}

const internal = (requestId: string): ProblemParts => ({
  status: 500,
  code: 'internal',
  detail: `something failed here; an operator finds what in the log under ${requestId}`,
});

/** Without the code in front, which has a member of its own. */
export const plainMessage = (error: AppError): string => error.message.replace(`[${error.code}] `, '');
