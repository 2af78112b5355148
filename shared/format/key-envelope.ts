/**
 * The envelope in which a tenant's root key lies in both buckets, as `t/<tenant>/k/<generation>/<n>`. Two lines of text, so
 * that a person with openssl can open it when nothing of Blockferry is left:
 *
 *   {"magic":"blockferry-key","version":1,"tenant":..., "generation":1,"rewrap":n,"packGeneration":1,"check":...,"wraps":[...]}
 *   <HMAC-SHA-256 of the first line's bytes, under a key derived from the root key, as 64 hex digits>
 *
 * `check` is derived one-way from the root key: it names the key without telling it. It is the same in all envelopes of a
 * generation, so an envelope with another check was made by somebody who does not hold the tenant's root key.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { assert } from '../base/assert';
import { AppError } from '../model/errors';
import { tenantIdSchema } from '../model/ids';
import { packGenerationMax, rootKeyBytes, saltOfTenant } from './keys';

/** The only generation of root keys so far: a new root key is a new repository, under a tenant label of its own. */
export const rootGeneration = 1;

/** The last n: one re-wrap a day for a quarter of a century. */
export const rewrapMax = 9999;

export const wrapKinds = ['key-file', 'key-vault', 'escrow'] as const;
export type WrapKind = (typeof wrapKinds)[number];

export interface RootKeyWrap {
  readonly kind: WrapKind;
  /** Names the wrapping key, never tells it: a Key Vault key with its version, or a fingerprint. */
  readonly keyId: string;
  readonly algorithm: string;
  /** Base64. */
  readonly wrapped: string;
}

export interface KeyEnvelope {
  readonly tenant: string;
  readonly generation: number;
  /** n of the object's key: 0 is written by the first writer, each re-wrapping takes the next. */
  readonly rewrap: number;
  /** Generation of K_wrap for new packs. Packs name theirs, so all older ones stay readable. */
  readonly packGeneration: number;
  /** 64 hex digits. */
  readonly check: string;
  readonly wraps: readonly RootKeyWrap[];
}

/** No honest envelope comes near it: an RSA-4096 wrap is 684 characters. */
const ENVELOPE_BYTES_MAX = 32 * 1024;
const WRAPS_MAX = 16;

const MAGIC = 'blockferry-key';
const VERSION = 1;

const wrapSchema = z.strictObject({
  kind: z.enum(wrapKinds),
  keyId: z.string().min(1).max(512),
  algorithm: z.string().min(1).max(64),
  wrapped: z.base64().max(4096),
});

const contentSchema = z.strictObject({
  magic: z.literal(MAGIC),
  version: z.literal(VERSION),
  tenant: tenantIdSchema,
  generation: z.literal(rootGeneration),
  rewrap: z.int().min(0).max(rewrapMax),
  packGeneration: z.int().min(1).max(packGenerationMax),
  check: z.string().regex(/^[0-9a-f]{64}$/),
  wraps: z.array(wrapSchema).min(1).max(WRAPS_MAX),
});

/** What `check` must be for this key: derived one-way, fit to be shown and to be pinned in the settings. */
export const rootKeyCheck = (rootKey: Buffer, tenant: string): string =>
  derive(rootKey, tenant, 'check/1').toString('hex');

export function encodeEnvelope(envelope: KeyEnvelope, rootKey: Buffer): Buffer {
  const { tenant, generation, rewrap, packGeneration, check, wraps } = envelope;
  assert(check === rootKeyCheck(rootKey, tenant), 'an envelope carries the check of its own root key');
  const content = { magic: MAGIC, version: VERSION, tenant, generation, rewrap, packGeneration, check, wraps };
  const line = JSON.stringify(contentSchema.parse(content));
  return Buffer.from(`${line}\n${macOf(line, rootKey, tenant)}\n`);
}

/**
 * Reads an envelope without believing it: only `authenticateEnvelope` with the unwrapped key does. `object` is the key under
 * which it lies, and must be the one that the content claims. `key.corrupt` or `format.unknown` otherwise.
 */
export function decodeEnvelope(stored: Buffer, object: string): KeyEnvelope {
  const corrupt = (why: string): AppError =>
    new AppError('key.corrupt', `the key envelope ${object} cannot be used: ${why}`, { context: { object } });
  if (stored.length > ENVELOPE_BYTES_MAX) throw corrupt('it is too long');
  const [line = '', mac = '', end, ...more] = stored.toString('utf8').split('\n');
  if (!/^[0-9a-f]{64}$/.test(mac) || end !== '' || more.length > 0) throw corrupt('it does not have its two lines');
  const claimed = parse(line);
  if (claimed?.['magic'] !== MAGIC) throw corrupt('it is no key envelope');
  for (const [field, known] of [
    ['version', VERSION],
    ['generation', rootGeneration],
  ] as const) {
    if (typeof claimed[field] === 'number' && claimed[field] !== known) {
      throw new AppError(
        'format.unknown',
        `the key envelope ${object} has ${field} ${claimed[field]}, which this version does not know; update Blockferry`,
        { context: { object } },
      );
    }
  }
  const { data, error } = contentSchema.safeParse(claimed);
  if (!data) throw corrupt(`${error?.issues[0]?.path.join('.') ?? 'a field'} is not as it must be`);
  const { tenant, generation, rewrap } = data;
  if (object !== `t/${tenant}/k/${generation}/${rewrap}`) throw corrupt('it belongs under another name');
  return { tenant, generation, rewrap, packGeneration: data.packGeneration, check: data.check, wraps: data.wraps };
}

/** Was this envelope, byte by byte, made by a holder of this root key? */
export function authenticateEnvelope(stored: Buffer, rootKey: Buffer, envelope: KeyEnvelope): boolean {
  const [line = '', mac = ''] = stored.toString('utf8').split('\n');
  return (
    envelope.check === rootKeyCheck(rootKey, envelope.tenant) &&
    timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(line, rootKey, envelope.tenant)))
  );
}

const macOf = (line: string, rootKey: Buffer, tenant: string): string =>
  createHmac('sha256', derive(rootKey, tenant, 'key-envelope/1'))
    .update(line)
    .digest('hex');

function derive(rootKey: Buffer, tenant: string, label: string): Buffer {
  assert(rootKey.length === rootKeyBytes, 'a root key has 32 bytes');
  return Buffer.from(hkdfSync('sha256', rootKey, saltOfTenant(tenant), label, 32));
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
