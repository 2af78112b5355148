/**
 * How often one caller may ask: a bucket of tokens for each, refilled steadily. In the memory of one process, so a platform
 * that runs three of them lets three times as much through; what it protects against is a loop gone wild, not a bill.
 * Starts of jobs are counted in the catalog besides, across processes: see `takeQuota`.
 */
import type { Clock } from '../base/clock';
import type { Catalog } from '../catalog/catalog';
import type { Caller } from './caller';
import { ProblemError } from './problem';

const BURST = 200;
const PER_SECOND = 25;
/** Callers remembered at once; the one not seen for longest is forgotten, which gives it a full bucket. */
const CALLERS_MAX = 10_000;

/** Throws 429 with Retry-After when the caller's bucket is empty. */
export type RateLimiter = (caller: Pick<Caller, 'id'>) => void;

export function createRateLimiter(clock: Pick<Clock, 'now'>): RateLimiter {
  const buckets = new Map<string, { readonly tokens: number; readonly at: number }>();
  return ({ id }) => {
    const at = clock.now();
    const before = buckets.get(id) ?? { tokens: BURST, at };
    const tokens = Math.min(BURST, before.tokens + (Math.max(0, at - before.at) / 1000) * PER_SECOND);
    // Behind all others: the map keeps the order in which callers were seen.
    buckets.delete(id);
    buckets.set(id, { tokens: tokens < 1 ? tokens : tokens - 1, at });
    const oldest = buckets.keys().next();
    if (buckets.size > CALLERS_MAX && !oldest.done) buckets.delete(oldest.value);
    if (tokens < 1) throw tooMany('too many requests', Math.ceil((1 - tokens) / PER_SECOND));
  };
}

/** Counts one start by this caller against the hour's quota. 429 with Retry-After until the next hour when it is used up. */
export async function takeQuota(
  { catalog, clock }: { readonly catalog: Pick<Catalog, 'quotas'>; readonly clock: Clock },
  caller: Pick<Caller, 'id'>,
  { what, perHour }: { readonly what: string; readonly perHour: number },
): Promise<void> {
  const { taken, endsAt } = await catalog.quotas.take(`${what}/${caller.id}`, perHour);
  if (taken) return;
  throw tooMany(`this caller has started ${perHour} times ${what} this hour`, Math.ceil((endsAt - clock.now()) / 1000));
}

function tooMany(detail: string, seconds: number): ProblemError {
  const headers = { 'retry-after': String(Math.max(1, seconds)) };
  return new ProblemError({ status: 429, code: 'caller.too-many-requests', detail, headers });
}
