/**
 * One process of the product: its clock, its log, its way to the buckets, its keys. What `app/compose-data-plane` makes for a
 * real one, on simulated wires. It dies with its actor.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { createTenantKeySource } from '../../shared/app/key-source';
import { S3Caller } from '../../shared/aws/s3-caller';
import { S3ObjectStore } from '../../shared/aws/s3-object-store';
import type { Clock } from '../../shared/base/clock';
import type { LogFields, Logger } from '../../shared/base/logger';
import type { KeyWrapper } from '../../shared/blockstore/key-wrapper';
import type { StorePair, StoreRole } from '../../shared/blockstore/object-store';
import { openRepository, type Repository } from '../../shared/blockstore/repository';
import { aesKeyId, aesUnwrap, aesWrap, aesWrapAlgorithm } from '../../shared/format/key-envelope-wrap';
import { AppError } from '../../shared/model/errors';
import { S3Error } from '../cloud/bucket';
import { S3Wire } from '../cloud/s3-wire';
import type { Actor } from '../kit/scheduler';
import type { World } from '../world';

export const TENANT = 'acme';
export const EPOCH_MS = Date.UTC(2026, 0, 1);

export interface SimProcess {
  readonly actor: Actor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomBytes: (count: number) => Buffer;
  stores(role: SimRole): StorePair;
  openRepository(request: {
    readonly role: StoreRole;
    readonly tenant: string;
    readonly sessionId: string;
  }): Promise<Repository>;
}

/** Whoever may do what in the buckets: the product's roles, as their policies cut them. */
export type SimRole = StoreRole;

export function createProcess(world: World, name: string): SimProcess {
  const { io, random, scheduler } = world;
  const actor = scheduler.actor(name);
  actor.skewMs = random.chance(0.3) ? random.between(-3_600_000, 3_600_000) : 0;
  const clock = clockOf(world, actor);
  const logger = loggerOf(world, actor);
  const bytes = random.fork(`bytes/${name}`);
  const randomBytes = (count: number): Buffer => bytes.bytes(count);
  const stores = (role: SimRole): StorePair => {
    const wire = new S3Wire({
      io,
      actor,
      buckets: world.buckets,
      authorize: authorizeAs(role),
      isDown: () => world.isDown(),
    });
    const caller = new S3Caller({ createClient: () => wire as unknown as S3Client, clock, random: () => bytes.next() });
    return {
      data: new S3ObjectStore({ caller, bucket: 'data' }),
      control: new S3ObjectStore({ caller, bucket: 'control' }),
    };
  };
  const wrappers = [keyWrapper(randomBytes)];
  const keys = createTenantKeySource({ wrappers, pinnedCheck: undefined, randomBytes, clock, logger });
  const open = new Map<string, Promise<Repository>>();
  return {
    actor,
    clock,
    logger,
    randomBytes,
    stores,
    openRepository: (request) => {
      const key = `${request.role}/${request.sessionId}`;
      const known = open.get(key);
      if (known) return known;
      const pair = stores(request.role);
      const through = keys.through(pair, request.role);
      const opening = openRepository({
        stores: pair,
        tenant: TENANT,
        keys: through,
        clock,
        logger,
        random: randomBytes,
      });
      open.set(key, opening);
      opening.catch(() => open.delete(key));
      return opening;
    },
  };
}

function clockOf({ scheduler }: World, actor: Actor): Clock {
  return {
    now: () => EPOCH_MS + scheduler.nowMs + actor.skewMs,
    monotonicMs: () => scheduler.nowMs,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (!actor.alive) return;
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = (): void => {
          scheduler.cancel(entry);
          if (actor.alive) reject(signal?.reason);
        };
        const entry = scheduler.post(actor, `sleep ${delayMs}`, delayMs, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
  };
}

function loggerOf({ scheduler }: World, actor: Actor): Logger {
  const say = (level: string) => (message: string, fields?: LogFields) =>
    scheduler.say(`${actor.name} ${level}: ${message} ${fields ? JSON.stringify(fields) : ''}`);
  return { info: say('info'), warn: say('warn'), error: say('error') };
}

const WRAPPING_KEY = Buffer.alloc(32, 9);

export function keyWrapper(randomBytes: (count: number) => Buffer): KeyWrapper {
  const keyId = aesKeyId(WRAPPING_KEY);
  return {
    kind: 'key-file',
    describe: async () => 'a simulated key',
    wrap: async (rootKey, context) => ({
      kind: 'key-file',
      keyId,
      algorithm: aesWrapAlgorithm,
      wrapped: aesWrap(WRAPPING_KEY, rootKey, context, randomBytes(12)).toString('base64'),
    }),
    opens: async (wrap) => wrap.kind === 'key-file' && wrap.keyId === keyId,
    unwrap: async (wrap, context) => {
      const rootKey = aesUnwrap(WRAPPING_KEY, Buffer.from(wrap.wrapped, 'base64'), context);
      if (rootKey) return rootKey;
      throw new AppError('key.wrong', 'the simulated key does not open this wrap');
    },
  };
}

/** The session policies of `aws/session-policy` and the bucket policies, as far as they matter to who destroys what. */
function authorizeAs(role: SimRole) {
  return (action: string, bucket: string, key: string): void => {
    const isDelete = action.startsWith('Delete');
    const readsPack = role === 'writer' && action === 'GetObject' && /^t\/[^/]+\/u\//.test(key);
    const writesData = role === 'reader' && action === 'PutObject' && bucket === 'data';
    if (isDelete || readsPack || writesData) throw new S3Error('AccessDenied', 403);
  };
}
