/**
 * The second way to a root key: an RSA key whose private half lies offline, with two persons. In service the public half
 * wraps and can open nothing. In a recovery the private half is given for the time of one command.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import { rsaKeyId, rsaUnwrap, rsaWrap, rsaWrapAlgorithm } from '../format/key-envelope-wrap';
import { AppError } from '../model/errors';

/** It must last as long as the backups: NIST SP 800-57 asks for 3072 bits beyond 2030. */
const MODULUS_BITS_MIN = 3072;

export interface EscrowOptions {
  readonly path: string;
  /** `public` refuses a private key: it has no business on a machine in service. */
  readonly half: 'public' | 'private';
}

export function createEscrowWrapper({ path, half }: EscrowOptions): KeyWrapper {
  const load = () => loadKey(path, half);
  return {
    kind: 'escrow',
    describe: async () => `escrow ${rsaKeyId(await load())}`,
    wrap: async (rootKey) => {
      const key = await load();
      const publicHalf = key.type === 'private' ? createPublicKey(key) : key;
      return {
        kind: 'escrow',
        keyId: rsaKeyId(key),
        algorithm: rsaWrapAlgorithm,
        wrapped: rsaWrap(publicHalf, rootKey).toString('base64'),
      };
    },
    opens: async (wrap) =>
      half === 'private' &&
      wrap.kind === 'escrow' &&
      wrap.algorithm === rsaWrapAlgorithm &&
      wrap.keyId === rsaKeyId(await load()),
    unwrap: async (wrap, { tenant }) => {
      const key = await load();
      const rootKey = key.type === 'private' ? rsaUnwrap(key, Buffer.from(wrap.wrapped, 'base64')) : undefined;
      if (rootKey) return rootKey;
      throw new AppError('key.wrong', `the escrow key does not open the root key of tenant ${tenant}`);
    },
  };
}

async function loadKey(path: string, half: EscrowOptions['half']): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch(() => undefined);
  if (pem === undefined) {
    throw new AppError('key.missing', 'the escrow key file (BLOCKFERRY_ESCROW_KEY_FILE) cannot be read');
  }
  if (half === 'public' && /PRIVATE KEY/.test(pem)) {
    throw new AppError(
      'config.invalid',
      'BLOCKFERRY_ESCROW_KEY_FILE holds a private key: give the public half, and keep the private one offline',
    );
  }
  const key = parse(pem, half);
  if (key?.asymmetricKeyType !== 'rsa') {
    throw new AppError('key.wrong', `the escrow key file must hold the ${half} half of an RSA key as PEM`);
  }
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < MODULUS_BITS_MIN) {
    throw new AppError('key.wrong', `the escrow key has less than ${MODULUS_BITS_MIN} bits`);
  }
  return key;
}

function parse(pem: string, half: EscrowOptions['half']): KeyObject | undefined {
  try {
    return half === 'private' ? createPrivateKey(pem) : createPublicKey(pem);
  } catch {
    return undefined; // the parser's own error may quote the file
  }
}
