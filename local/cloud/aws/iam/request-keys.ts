/** The condition keys that every request has, whatever the operation. */
import type { IncomingMessage } from 'node:http';
import { headerText } from '../wire/sigv4';
import type { Caller } from './account';

export interface RequestFacts {
  readonly request: IncomingMessage;
  readonly nowMs: number;
  readonly region: string;
  readonly secureTransport: boolean;
}

/** Names in lower case. */
export function requestKeys(facts: RequestFacts): Map<string, readonly string[]> {
  const { request, nowMs } = facts;
  const keys = new Map<string, readonly string[]>([
    ['aws:securetransport', [String(facts.secureTransport)]],
    ['aws:currenttime', [new Date(nowMs).toISOString()]],
    ['aws:epochtime', [String(Math.floor(nowMs / 1000))]],
    ['aws:requestedregion', [facts.region]],
  ]);
  const address = request.socket.remoteAddress?.replace(/^::ffff:/, '');
  if (address !== undefined) keys.set('aws:sourceip', [address]);
  const agent = headerText(request, 'user-agent');
  if (agent !== undefined) keys.set('aws:useragent', [agent]);
  return keys;
}

export function callerKeys(caller: Caller): ReadonlyArray<readonly [string, readonly string[]]> {
  const keys: Array<readonly [string, readonly string[]]> = [
    ['aws:principalarn', [caller.names.arn]],
    ['aws:principalaccount', [caller.names.accountId]],
    ['aws:principaltype', [caller.names.sessionArn === undefined ? 'User' : 'AssumedRole']],
    ['aws:userid', [caller.userId]],
  ];
  if (caller.userName !== undefined) keys.push(['aws:username', [caller.userName]]);
  if (caller.federatedProvider !== undefined) keys.push(['aws:federatedprovider', [caller.federatedProvider]]);
  return keys;
}
