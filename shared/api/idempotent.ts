/** Idempotency-Key on whatever changes something: same key and same request, same answer; same key and another request, 422. Kept apart by caller. */
import { createHash } from 'node:crypto';
import type { Caller } from './caller';
import type { ApiDependencies } from './dependencies';
import type { ApiRequest, ApiResponse } from './http';
import { badRequest, ProblemError } from './problem';
import { HOSTS_OWN } from './query';

const KEY = /^[\x21-\x7e]{1,200}$/;

/**
 * Runs the effect, once per key as far as anyone can see. `run` gets a seed that is the same for each repetition of the request:
 * ids made of it make a repetition after a crash a no-op. Without a key there is no seed. Only successes are kept as answers:
 * a refused request may be sent again when its cause is gone.
 */
export async function idempotent(
  deps: Pick<ApiDependencies, 'catalog'>,
  request: ApiRequest,
  { caller, body }: { readonly caller: Pick<Caller, 'id'>; readonly body: unknown },
  run: (seed: string | undefined) => Promise<ApiResponse>,
): Promise<ApiResponse> {
  const given = request.headers.get('idempotency-key');
  if (given === null) return run(undefined);
  if (!KEY.test(given)) {
    throw badRequest('the idempotency key is not as it should be', [
      { header: 'Idempotency-Key', message: '1 to 200 visible ASCII characters' },
    ]);
  }
  const { idempotency } = deps.catalog;
  // Two callers may well hit upon the same key; one must not see the other's answer.
  const key = `${caller.id}\n${given}`;
  const fingerprint = fingerprintOf(request, body);
  const claim = await idempotency.claim(key, fingerprint);
  if (claim.kind === 'mismatch') {
    const detail = 'this Idempotency-Key was used for another request in the last 24 hours; use a new one';
    throw new ProblemError({ status: 422, code: 'idempotency.mismatch', detail });
  }
  if (claim.kind === 'answered') {
    return { ...claim.answer, headers: { ...claim.answer.headers, 'idempotent-replayed': 'true' } };
  }
  const response = await run(claim.seed);
  if (response.status < 300) {
    const { status, headers, body: answered } = response;
    await idempotency.keep(key, fingerprint, { status, headers: { ...headers }, body: answered });
  }
  return response;
}

/** The id of a job (or of a retention run, `g`) that a repetition of the request makes again. `parts` tell apart the jobs of one request. */
export function seededJobId(prefix: 'b' | 'r' | 'g', seed: string, ...parts: readonly string[]): string {
  return `${prefix}-${sha256([seed, ...parts].join('\n')).slice(0, 24)}`;
}

function fingerprintOf(request: ApiRequest, body: unknown): string {
  const query = [...request.query].filter(([name]) => !HOSTS_OWN.includes(name) && name !== 'dryRun').sort();
  return sha256(`${request.method} ${new URL(request.url).pathname} ${JSON.stringify(query)}\n${canonical(body)}`);
}

/** The same for bodies that differ in white space or order of fields only. */
function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
