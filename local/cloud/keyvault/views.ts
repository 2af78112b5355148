/** Keys as the REST API shows them. */
import { createPublicKey } from 'node:crypto';
import type { DeletedKey, KeyVersion } from './key-store';

export interface VaultShape {
  readonly origin: string;
  readonly purgeProtection: boolean;
  readonly retentionDays: number;
}

export const keyId = (shape: VaultShape, { name, version }: KeyVersion): string =>
  `${shape.origin}/keys/${name}/${version}`;

export function attributesView(shape: VaultShape, key: KeyVersion): object {
  return {
    enabled: key.enabled,
    ...(key.notBefore === undefined ? {} : { nbf: key.notBefore }),
    ...(key.expires === undefined ? {} : { exp: key.expires }),
    created: key.created,
    updated: key.updated,
    recoveryLevel: shape.purgeProtection ? 'Recoverable' : 'Recoverable+Purgeable',
    recoverableDays: shape.retentionDays,
    exportable: false,
  };
}

export function bundleView(shape: VaultShape, key: KeyVersion): object {
  const { n, e } = createPublicKey(key.pem).export({ format: 'jwk' });
  return {
    key: { kid: keyId(shape, key), kty: 'RSA', key_ops: key.operations, n, e },
    attributes: attributesView(shape, key),
    tags: {},
  };
}

export const itemView = (shape: VaultShape, key: KeyVersion, withVersion: boolean): object => ({
  kid: withVersion ? keyId(shape, key) : `${shape.origin}/keys/${key.name}`,
  attributes: attributesView(shape, key),
  tags: {},
});

export const deletedView = (shape: VaultShape, { newest, deletedAt, purgeAt }: DeletedKey): object => ({
  recoveryId: `${shape.origin}/deletedkeys/${newest.name}`,
  deletedDate: deletedAt,
  scheduledPurgeDate: purgeAt,
  ...bundleView(shape, newest),
});
