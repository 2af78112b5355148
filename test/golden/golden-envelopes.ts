/**
 * The envelopes in which the golden root key lies: n = 0 under the key file alone, n = 1 with the escrow key beside it and
 * the next generation of pack keys. RSA wraps are random, so these objects are made once and kept.
 */
import { createHash, createPublicKey } from 'node:crypto';
import { encodeEnvelope, type RootKeyWrap, rootKeyCheck } from '../../shared/format/key-envelope';
import {
  aesKeyId,
  aesWrap,
  aesWrapAlgorithm,
  rsaKeyId,
  rsaWrap,
  rsaWrapAlgorithm,
} from '../../shared/format/key-envelope-wrap';
import { envelopeKey } from '../../shared/format/store-keys';
import { goldenRootKey } from './golden-world';

export const goldenFileKey = createHash('sha256').update('blockferry golden key file').digest();

/** Key and body of each envelope of a tenant. */
export function makeEnvelopes(tenant: string, escrowPem: string): [key: string, body: Buffer][] {
  const generation = 1;
  const check = rootKeyCheck(goldenRootKey, tenant);
  const nonce = (rewrap: number): Buffer =>
    createHash('shake256', { outputLength: 12 }).update(`${tenant}${rewrap}`).digest();
  const byFile = (rewrap: number): RootKeyWrap => ({
    kind: 'key-file',
    keyId: aesKeyId(goldenFileKey),
    algorithm: aesWrapAlgorithm,
    wrapped: aesWrap(goldenFileKey, goldenRootKey, { tenant, generation }, nonce(rewrap)).toString('base64'),
  });
  const escrow = createPublicKey(escrowPem);
  const byEscrow: RootKeyWrap = {
    kind: 'escrow',
    keyId: rsaKeyId(escrow),
    algorithm: rsaWrapAlgorithm,
    wrapped: rsaWrap(escrow, goldenRootKey).toString('base64'),
  };
  return [[byFile(0)], [byFile(1), byEscrow]].map((wraps, rewrap) => [
    envelopeKey(tenant, generation, rewrap),
    encodeEnvelope({ tenant, generation, rewrap, packGeneration: rewrap + 1, check, wraps }, goldenRootKey),
  ]);
}
