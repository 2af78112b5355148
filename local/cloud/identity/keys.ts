/** The issuer's signing key and the secret of the managed-identity endpoint, made once and kept in the state directory. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IssuerKey } from '../kit/issuer';

export interface IdentityKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: IssuerKey;
  /** What `X-IDENTITY-HEADER` must be. */
  readonly header: string;
}

export function loadIdentityKeys(directory: string): IdentityKeys {
  mkdirSync(directory, { recursive: true });
  const pem = keep(join(directory, 'signing-key.pem'), () =>
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  const header = keep(join(directory, 'identity-header'), () => randomBytes(24).toString('hex'));
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(n).digest('base64url').slice(0, 27);
  return { privateKey, publicKey, publicJwk: { kty: 'RSA', kid, use: 'sig', alg: 'RS256', n, e }, header };
}

/** The file's text, made and written whole (mode 600) when it is not there. */
function keep(file: string, make: () => string): string {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, make(), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file, 'utf8');
}
