/** Bodies: JSON in UTF-8, of bounded size and depth, judged by a closed schema. Every refusal says where. */
import type { z } from 'zod';
import { limits } from '../model/limits';
import type { ApiRequest } from './http';
import { findJsonFlaw } from './json-scan';
import { badRequest, fieldErrors, ProblemError } from './problem';

/** Deeper than any document of ours. */
const DEPTH_MAX = 20;

/** 400 with pointers, 413, or 415. */
export async function readBody<Schema extends z.ZodType>(
  request: ApiRequest,
  schema: Schema,
): Promise<z.output<Schema>> {
  return checkBody(schema, await readJson(request));
}

/** The parsed value, not judged yet. */
export async function readJson(request: ApiRequest): Promise<unknown> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    throw new ProblemError({ status: 415, code: 'request.media-type', detail: 'the body must be application/json' });
  }
  return parseJson(decode(await readBytes(request)));
}

/** For requests that carry nothing: a body, if any, must be an empty object. */
export async function readNoBody(request: ApiRequest): Promise<void> {
  const text = decode(await readBytes(request));
  if (text.trim() === '') return;
  const value = parseJson(text);
  if (value === null || typeof value !== 'object' || Object.keys(value).length > 0) {
    throw badRequest('this request takes no body', [{ pointer: '', message: 'must be absent or {}' }]);
  }
}

export function checkBody<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badRequest('the body is not as it should be', fieldErrors(parsed.error.issues));
}

async function readBytes(request: ApiRequest): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > limits.requestBodyBytesMax) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    // The header may lie or be absent: what arrives is counted.
    if (bytes > limits.requestBodyBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('the body is not UTF-8', [{ pointer: '', message: 'must be UTF-8' }]);
  }
}

function parseJson(text: string): unknown {
  const flaw = findJsonFlaw(text, DEPTH_MAX);
  if (flaw) throw badRequest('the body is not JSON as we take it', [flaw]);
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : 'not JSON';
    throw badRequest('the body is not JSON', [{ pointer: '', message: why }]);
  }
}

const tooLarge = (): ProblemError =>
  new ProblemError({
    status: 413,
    code: 'request.too-large',
    detail: `the body is larger than ${limits.requestBodyBytesMax} bytes`,
  });
