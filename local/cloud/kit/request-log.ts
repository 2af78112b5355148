/** Query parameters whose values are secrets on one of the simulated protocols; compared in lower case. */
const SECRET_PARAMETERS = new Set([
  'sig',
  'code',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-credential',
  'webidentitytoken',
]);

/** The log is for tests and for the demo's own figures: a bound keeps a long session from filling the memory. */
const ENTRIES_MAX = 200_000;

export interface RequestLogEntry {
  /** Simulated time, epoch milliseconds. */
  readonly at: number;
  readonly service: string;
  readonly operation: string;
  readonly method: string;
  /** Path and query with the values of secret parameters removed. */
  readonly path: string;
  /** 0 when the connection ended without a reply. */
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** The kind of the fault that was injected into this request. */
  readonly fault?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** One entry a request, oldest first; kept in memory, the oldest are dropped beyond 200,000. */
export class RequestLog {
  private list: RequestLogEntry[] = [];

  add(entry: RequestLogEntry): void {
    this.list.push(entry);
    if (this.list.length > ENTRIES_MAX * 1.1) this.list = this.list.slice(-ENTRIES_MAX);
  }

  /** Entries of one service (all when absent), from the simulated instant `since` on. */
  entries(
    filter: { readonly service?: string | undefined; readonly since?: number | undefined } = {},
  ): readonly RequestLogEntry[] {
    const { service, since } = filter;
    return this.list.filter(
      (entry) => (service === undefined || entry.service === service) && (since === undefined || entry.at >= since),
    );
  }

  clear(): void {
    this.list = [];
  }
}

/** The request target as it may be written down: names of query parameters stay, secret values do not. */
export function withoutSecrets(target: string): string {
  const queryAt = target.indexOf('?');
  if (queryAt < 0) return target;
  const query = target
    .slice(queryAt + 1)
    .split('&')
    .map((pair) => {
      const name = pair.split('=', 1)[0] ?? '';
      return SECRET_PARAMETERS.has(name.toLowerCase()) ? `${name}=REDACTED` : pair;
    })
    .join('&');
  return `${target.slice(0, queryAt)}?${query}`;
}
