/**
 * The envelope of everything that is not a pack: index segments, manifests, records.
 *
 *   0  magic "BFS1"      4  kind      5  id algorithm      6  codec      7  0
 *   8  key check (8)    16  salt (32)                     48  plaintext bytes (u32 LE)
 *  52  AES-256-GCM ciphertext ... tag (16)
 *
 * The data key is HKDF(meta key, salt), the nonce is zero, and the salt is an HMAC over the object's identity and the very
 * bytes that are encrypted. So one key never meets two messages, sealing the same content twice gives the same bytes (which
 * makes write-once puts repeatable), and an opened object is checked twice: by its tag and by its salt, which commits to
 * the key as well. The additional data is the header and the object's full identity: a swapped, renamed or re-tenanted
 * object does not open.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { AppError } from '../model/errors';
import { idAlgorithms } from './block-id';
import { codecs, compress, decompress, isCodec } from './compression';
import type { RepositoryKeys } from './keys';

export const sealedKinds = {
  segment: 1,
  leaves: 2,
  root: 3,
  point: 4,
  fact: 5,
  register: 6,
  begun: 7,
  checkpoint: 8,
  collector: 9,
  cycle: 10,
  units: 11,
  keeper: 12,
} as const;
export type SealedKind = keyof typeof sealedKinds;

export interface ObjectIdentity {
  readonly kind: SealedKind;
  /** The object's full key in its bucket. */
  readonly key: string;
}

const MAGIC = Buffer.from('BFS1');
const HEADER_BYTES = 52;
const TAG_BYTES = 16;
const NONCE = Buffer.alloc(12);
/** No sealed object comes near it; it bounds what a damaged header can make us allocate. */
const PLAIN_BYTES_MAX = 256 * 1024 * 1024;

export function sealObject(keys: RepositoryKeys, identity: ObjectIdentity, plaintext: Buffer): Buffer {
  const packed = compress(plaintext, 3);
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header[4] = sealedKinds[identity.kind];
  header[5] = idAlgorithms.blake3Keyed;
  header[6] = packed.codec;
  keys.check.copy(header, 8);
  header.writeUInt32LE(plaintext.length, 48);
  saltOf(keys, identity, header, packed.bytes).copy(header, 16);
  const cipher = createCipheriv('aes-256-gcm', dataKey(keys, header), NONCE);
  cipher.setAAD(additionalData(keys, identity, header));
  return Buffer.concat([header, cipher.update(packed.bytes), cipher.final(), cipher.getAuthTag()]);
}

/** The plaintext, or `manifest.corrupt` (damaged, swapped, forged), `key.wrong`, `format.unknown`. */
export function openObject(keys: RepositoryKeys, identity: ObjectIdentity, stored: Buffer): Buffer {
  checkHeader(keys, identity, stored);
  const header = stored.subarray(0, HEADER_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', dataKey(keys, header), NONCE, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(keys, identity, header));
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES));
  let bytes: Buffer;
  try {
    bytes = Buffer.concat([
      decipher.update(stored.subarray(HEADER_BYTES, stored.length - TAG_BYTES)),
      decipher.final(),
    ]);
  } catch {
    throw corrupt(identity, 'its authentication tag does not match');
  }
  if (!timingSafeEqual(saltOf(keys, identity, header, bytes), header.subarray(16, 48))) {
    throw corrupt(identity, 'its salt does not match its content');
  }
  const codec = header[6] ?? codecs.raw;
  if (!isCodec(codec)) throw unknown(identity, `codec ${codec}`);
  return decompress({ codec, bytes }, header.readUInt32LE(48), identity.key, 'manifest.corrupt');
}

/** Tells a wrong key from damage before anything is written. `head`: the first 16 bytes or more of any sealed object. */
export function requireSameKey(keys: RepositoryKeys, key: string, head: Buffer): void {
  if (head.length < 16 || !head.subarray(8, 16).equals(keys.check)) {
    throw new AppError(
      'key.wrong',
      `${key} was written under another root key; give this tenant's own key, nothing was written`,
      { context: { object: key } },
    );
  }
}

function checkHeader(keys: RepositoryKeys, identity: ObjectIdentity, stored: Buffer): void {
  if (stored.length < HEADER_BYTES + TAG_BYTES) throw corrupt(identity, `it has only ${stored.length} bytes`);
  if (!stored.subarray(0, 3).equals(MAGIC.subarray(0, 3))) throw corrupt(identity, 'it is no Blockferry object');
  if (stored[3] !== MAGIC[3]) throw unknown(identity, `format version ${String.fromCharCode(stored[3] ?? 0)}`);
  if (stored[5] !== idAlgorithms.blake3Keyed) throw unknown(identity, `block id algorithm ${stored[5]}`);
  if (stored[7] !== 0) throw unknown(identity, `flags ${stored[7]}`);
  if (!Object.values<number | undefined>(sealedKinds).includes(stored[4])) throw unknown(identity, `kind ${stored[4]}`);
  if (stored[4] !== sealedKinds[identity.kind]) throw corrupt(identity, `its kind is not ${identity.kind}`);
  requireSameKey(keys, identity.key, stored);
  if (stored.readUInt32LE(48) > PLAIN_BYTES_MAX) throw corrupt(identity, 'its declared size is absurd');
}

function saltOf(keys: RepositoryKeys, identity: ObjectIdentity, header: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', keys.mac)
    .update('seal/1\0')
    .update(header.subarray(0, 16))
    .update(header.subarray(48, HEADER_BYTES))
    .update(`${keys.tenant}\0${identity.key}\0`)
    .update(bytes)
    .digest();
}

const dataKey = (keys: RepositoryKeys, header: Buffer): Buffer =>
  Buffer.from(hkdfSync('sha256', keys.meta, header.subarray(16, 48), 'sealed/1', 32));

const additionalData = (keys: RepositoryKeys, identity: ObjectIdentity, header: Buffer): Buffer =>
  Buffer.concat([header, Buffer.from(`${keys.tenant}\0${identity.key}`)]);

const corrupt = (identity: ObjectIdentity, why: string): AppError =>
  new AppError('manifest.corrupt', `${identity.key} does not authenticate: ${why}`, {
    context: { object: identity.key, kind: identity.kind },
  });

const unknown = (identity: ObjectIdentity, what: string): AppError =>
  new AppError('format.unknown', `${identity.key} uses ${what}, which this version does not know; update Blockferry`, {
    context: { object: identity.key, kind: identity.kind },
  });
