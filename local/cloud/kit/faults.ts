import type { SeededRandom } from './random';

export type FaultAction =
  /** Before the effect: this status instead of the service's answer; 200 gives a success that carries an error's body. */
  | { readonly kind: 'status'; readonly status: number; readonly code?: string; readonly retryAfterSeconds?: number }
  /** Before the effect: the socket is destroyed. */
  | { readonly kind: 'reset' }
  /** After the effect: the socket is destroyed instead of the reply. */
  | { readonly kind: 'lost-reply' }
  /** Headers and half of the body, then silence for `ms`, then the rest. */
  | { readonly kind: 'stall'; readonly ms: number }
  /** The request waits `ms` before it is handled. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** A clean reply with half of the body and a content-length that matches the half. */
  | { readonly kind: 'truncate' }
  /** The socket is destroyed in the middle of the body. */
  | { readonly kind: 'cut' }
  /** The same half without a content-length: a chunked reply that ends early but cleanly. */
  | { readonly kind: 'short-chunked' }
  /** A clean reply without a body. */
  | { readonly kind: 'empty' }
  /** One bit of the body is flipped. */
  | { readonly kind: 'corrupt' }
  /** As many bytes, all of them others. */
  | { readonly kind: 'other-bytes' }
  /** The reply says that it is for a range one page further on; without a content-range it is left as it was. */
  | { readonly kind: 'other-range' }
  /** The body arrives in pieces of `bytes`, one every `everyMs`. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  /** The service answers as if the credential, SAS or token had expired; it reads `request.fault`. */
  | { readonly kind: 'expire' };

export interface FaultRule {
  readonly id: string;
  /** arm, disk, identity, aws or keyvault; all when absent. */
  readonly service?: string;
  /** Exact, or a prefix when it ends with `*`. */
  readonly operation?: string;
  /** A part of the request target (path and query). */
  readonly pathIncludes?: string;
  /** In [0, 1]; 1 when absent. */
  readonly probability?: number;
  /** So many matching requests pass before the rule acts. */
  readonly skip?: number;
  /** The rule acts so often at most; without end when absent. */
  readonly times?: number;
  readonly action: FaultAction;
}

export interface FaultRequest {
  readonly service: string;
  readonly operation: string;
  readonly path: string;
}

export interface FaultRuleState {
  readonly rule: FaultRule;
  readonly matchedCount: number;
  readonly appliedCount: number;
}

interface Counted {
  readonly rule: FaultRule;
  matched: number;
  applied: number;
}

/** The rules in the order in which they were added; the first that matches and wants to act decides a request. */
export class FaultPlan {
  private readonly rules = new Map<string, Counted>();

  constructor(private readonly random: SeededRandom) {}

  /** A rule with the id of an earlier one replaces it and starts counting anew. */
  add(rule: FaultRule): void {
    this.rules.set(rule.id, { rule, matched: 0, applied: 0 });
  }

  remove(id: string): boolean {
    return this.rules.delete(id);
  }

  clear(): void {
    this.rules.clear();
  }

  list(): readonly FaultRuleState[] {
    return [...this.rules.values()].map(({ rule, matched, applied }) => ({
      rule,
      matchedCount: matched,
      appliedCount: applied,
    }));
  }

  /** The action for this request, if any; counts it. */
  take(request: FaultRequest): FaultAction | undefined {
    for (const counted of this.rules.values()) {
      const { rule } = counted;
      if (!matches(rule, request)) continue;
      counted.matched += 1;
      if (counted.matched <= (rule.skip ?? 0)) continue;
      if (rule.times !== undefined && counted.applied >= rule.times) continue;
      if (rule.probability !== undefined && this.random.next() >= rule.probability) continue;
      counted.applied += 1;
      return rule.action;
    }
    return undefined;
  }
}

function matches(rule: FaultRule, request: FaultRequest): boolean {
  if (rule.service !== undefined && rule.service !== request.service) return false;
  if (rule.pathIncludes !== undefined && !request.path.includes(rule.pathIncludes)) return false;
  if (rule.operation === undefined) return true;
  return rule.operation.endsWith('*')
    ? request.operation.startsWith(rule.operation.slice(0, -1))
    : request.operation === rule.operation;
}
