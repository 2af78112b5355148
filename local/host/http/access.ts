/** Who may call what: keys arrive in the `x-functions-key` header or the `code` query parameter. */
import type { IncomingMessage } from 'node:http';
import { isOneOf, type Keys } from '../keys';

export function keyOf(request: IncomingMessage, url: URL): string | undefined {
  const header = request.headers['x-functions-key'];
  return typeof header === 'string' ? header : (url.searchParams.get('code') ?? undefined);
}

/** An unknown level is treated like the strictest. */
export function mayCall(level: unknown, key: string | undefined, keys: Keys): boolean {
  switch (level) {
    case undefined:
    case 'anonymous':
      return true;
    case 'function':
      return isOneOf(key, [keys.functionKey, keys.masterKey]);
    default:
      return isOneOf(key, [keys.masterKey]);
  }
}
