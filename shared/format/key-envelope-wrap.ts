/**
 * How a root key is wrapped where we do it ourselves. A wrap holds the 32 bytes and nothing else.
 *
 *   key-file  A256GCM        nonce (12) | ciphertext (32) | tag (16); additional data binds tenant, generation and key
 *   escrow    RSA-OAEP-256   RFC 8017 with SHA-256 for the hash and for MGF1, no label: what openssl and vaults speak
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto';
import { assert } from '../base/assert';
import { rootKeyBytes } from './keys';

export const aesWrapAlgorithm = 'A256GCM';
export const rsaWrapAlgorithm = 'RSA-OAEP-256';

export interface WrapBinding {
  readonly tenant: string;
  readonly generation: number;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Names a 32-byte wrapping key: 32 hex digits, derived one-way. */
export const aesKeyId = (wrappingKey: Buffer): string =>
  Buffer.from(hkdfSync('sha256', wrappingKey, 'blockferry/1', 'key-file-id/1', 16)).toString('hex');

export function aesWrap(wrappingKey: Buffer, rootKey: Buffer, binding: WrapBinding, nonce: Buffer): Buffer {
  assert(rootKey.length === rootKeyBytes && nonce.length === NONCE_BYTES, 'a root key and a nonce of their sizes');
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce);
  cipher.setAAD(boundTo(wrappingKey, binding));
  return Buffer.concat([nonce, cipher.update(rootKey), cipher.final(), cipher.getAuthTag()]);
}

/** undefined when this key does not open it: another key, another tenant, or changed bytes. */
export function aesUnwrap(wrappingKey: Buffer, wrapped: Buffer, binding: WrapBinding): Buffer | undefined {
  if (wrapped.length !== NONCE_BYTES + rootKeyBytes + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, wrapped.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(boundTo(wrappingKey, binding));
  decipher.setAuthTag(wrapped.subarray(NONCE_BYTES + rootKeyBytes));
  try {
    return Buffer.concat([
      decipher.update(wrapped.subarray(NONCE_BYTES, NONCE_BYTES + rootKeyBytes)),
      decipher.final(),
    ]);
  } catch {
    return undefined;
  }
}

/** Names an RSA key by its public half: the first 32 hex digits of the SHA-256 of its SubjectPublicKeyInfo. */
export function rsaKeyId(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(half.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 32);
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;

export const rsaWrap = (publicKey: KeyObject, rootKey: Buffer): Buffer =>
  publicEncrypt({ key: publicKey, ...OAEP }, rootKey);

/** undefined when this key does not open it. */
export function rsaUnwrap(privateKey: KeyObject, wrapped: Buffer): Buffer | undefined {
  try {
    const rootKey = privateDecrypt({ key: privateKey, ...OAEP }, wrapped);
    return rootKey.length === rootKeyBytes ? rootKey : undefined;
  } catch {
    return undefined;
  }
}

const boundTo = (wrappingKey: Buffer, { tenant, generation }: WrapBinding): Buffer =>
  Buffer.from(`blockferry-key/1\0${tenant}\0${generation}\0${aesKeyId(wrappingKey)}`);
