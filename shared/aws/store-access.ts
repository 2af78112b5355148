/** Opens the two buckets with rights cut to one tenant and session, under a role assumed with the managed identity's JWT. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import type { STSClient } from '@aws-sdk/client-sts';
import { type Clock, systemClock } from '../base/clock';
import { Pace } from '../base/pace';
import type { RetryRule } from '../base/retry';
import type { LockExtender, StoreAccess, StorePair, StoreRole, VersionStore } from '../blockstore/object-store';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import { S3Caller } from './s3-caller';
import { S3LockExtender } from './s3-lock-extender';
import { S3ObjectStore } from './s3-object-store';
import { S3VersionStore } from './s3-version-store';
import { sessionNameOf, sessionPolicy } from './session-policy';
import { assumeRole } from './web-identity';

export interface StoreAccessOptions {
  readonly region: string;
  /** Another endpoint for S3 and STS than AWS's own; path style is used then. */
  readonly endpoint?: string | undefined;
  /** A JWT of the federation audience, of the identity that is trusted with the role; asked anew at every refresh. */
  readonly webIdentityToken: (role: StoreRole) => Promise<string>;
  /** Role ARNs. */
  readonly roles: Readonly<Record<'writer' | 'reader', string>> & {
    readonly [role in 'collector' | 'keeper' | 'catalogue']?: string | undefined;
  };
  readonly dataBucket: string;
  readonly controlBucket: string;
  readonly accountId?: string | undefined;
  readonly sessionSeconds?: number;
  /** Sockets to S3, for all sessions of this process together. */
  readonly connections?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly rule?: RetryRule;
  readonly deadlineBaseMs?: number;
}

export interface ClosableStoreAccess extends StoreAccess {
  /** The data bucket by versions, with the collector's rights on this tenant. */
  versions(request: { readonly tenant: string; readonly sessionId: string }): VersionStore;
  /** Locks of the data bucket, with the keeper's rights on this tenant. */
  locks(request: { readonly tenant: string; readonly sessionId: string }): LockExtender;
  /** Ends the sockets. */
  close(): void;
}

/** Sessions remembered; an evicted one that is still in use goes on working, only a new opening assumes the role again. */
const SESSIONS_MAX = 64;

export function createStoreAccess(options: StoreAccessOptions): ClosableStoreAccess {
  const sockets = { keepAlive: true, maxSockets: options.connections ?? 32 };
  const pace = new Pace(sockets.maxSockets);
  const agents = { httpAgent: new HttpAgent(sockets), httpsAgent: new HttpsAgent(sockets) };
  const opened = new Map<string, Opened>();
  let sts: STSClient | undefined;
  const stsClient = (): STSClient => {
    const sdk = require('@aws-sdk/client-sts') as typeof import('@aws-sdk/client-sts');
    sts ??= new sdk.STSClient({
      region: options.region, // the regional endpoint, next to the bucket
      maxAttempts: 1,
      requestHandler: agents,
      ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    });
    return sts;
  };
  const open = (scope: Scope): Opened => {
    const key = `${scope.role}/${scope.tenant}/${scope.sessionId}`;
    const found = opened.get(key) ?? openPair(options, scope, { agents, stsClient, pace });
    opened.delete(key);
    opened.set(key, found);
    for (const oldest of opened.keys()) {
      if (opened.size <= SESSIONS_MAX) break;
      opened.delete(oldest);
    }
    return found;
  };
  return {
    open: (scope) => open(scope).pair,
    versions: (request) => {
      const { caller } = open({ ...request, role: 'collector' });
      return new S3VersionStore({ caller, bucket: options.dataBucket, accountId: options.accountId });
    },
    locks: (request) => {
      const { caller } = open({ ...request, role: 'keeper' });
      return new S3LockExtender({ caller, bucket: options.dataBucket, accountId: options.accountId });
    },
    close: () => {
      agents.httpAgent.destroy();
      agents.httpsAgent.destroy();
    },
  };
}

const ROLE_DUTIES: Readonly<Record<StoreRole, string>> = {
  writer: 'writes backups',
  reader: 'reads backups',
  collector: 'may delete what no point needs',
  keeper: 'lengthens the locks of what points need',
  catalogue: 'reads points and settings of the buckets',
};

interface Scope {
  readonly role: StoreRole;
  readonly tenant: string;
  readonly sessionId: string;
}

interface Opened {
  readonly pair: StorePair;
  readonly caller: S3Caller;
}

interface Shared {
  readonly agents: Agents;
  readonly stsClient: () => STSClient;
  readonly pace: Pace;
}

interface Agents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

function openPair(options: StoreAccessOptions, scope: Scope, { agents, stsClient, pace }: Shared): Opened {
  const roleArn = options.roles[scope.role];
  if (roleArn === undefined) {
    const setting = `BLOCKFERRY_${scope.role.toUpperCase()}_ROLE_ARN`;
    throw new AppError('config.invalid', `${setting} is needed: the role that ${ROLE_DUTIES[scope.role]}`);
  }
  const { dataBucket, controlBucket } = options;
  const policy = sessionPolicy({ ...scope, dataBucket, controlBucket, partition: partitionOf(roleArn) });
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const rule = options.rule ?? { attemptsMax: 8, firstDelayMs: 250, delayMsMax: 15_000 };
  const credentials = () =>
    assumeRole({
      sts: stsClient(),
      roleArn,
      sessionName: sessionNameOf(scope.sessionId),
      policy,
      durationSeconds: options.sessionSeconds ?? limits.sessionSeconds,
      webIdentityToken: () => options.webIdentityToken(scope.role),
      clock,
      random,
      rule,
    });
  // One caller, so one client and one set of credentials, for both buckets: a client a request would throttle STS.
  const caller = new S3Caller({
    createClient: (sdk) => {
      const client = new sdk.S3Client({
        region: options.region,
        credentials,
        maxAttempts: 1, // repeated by S3Caller, which knows more kinds of failure
        requestHandler: agents,
        ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
      });
      skipPayloadHashOverTls(client);
      return client;
    },
    clock,
    random,
    pace,
    ...(options.rule ? { rule: options.rule } : {}),
    ...(options.deadlineBaseMs === undefined ? {} : { deadlineBaseMs: options.deadlineBaseMs }),
  });
  const { accountId } = options;
  const data = new S3ObjectStore({ caller, bucket: dataBucket, accountId });
  const control = new S3ObjectStore({ caller, bucket: controlBucket, accountId });
  return { pair: { data, control }, caller };
}

/**
 * Over TLS the payload's SHA-256 in the signature adds nothing to TLS and the CRC32 that S3 verifies, and costs a second pass
 * over every pack. Over plain http (the simulator) the SDK's own signed hash stays.
 */
function skipPayloadHashOverTls(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (isTlsPut(request)) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', name: 'blockferryUnsignedPayload', priority: 'low' },
  );
}

interface TlsPut {
  readonly headers: Record<string, string>;
}

function isTlsPut(request: unknown): request is TlsPut {
  const { protocol, method, headers } = request as { protocol?: unknown; method?: unknown; headers?: unknown };
  return protocol === 'https:' && method === 'PUT' && typeof headers === 'object' && headers !== null;
}

function partitionOf(roleArn: string): string {
  const partition = /^arn:(aws[\w-]*):iam::\d{12}:role\//.exec(roleArn)?.[1];
  if (!partition) throw new AppError('config.invalid', 'the role ARN of the store is none');
  return partition;
}
