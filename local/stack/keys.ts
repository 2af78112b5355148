/**
 * What wraps the tenant's root key on the embedded stack. Made once: a lost key is a lost tenant.
 * With Key Vault there is an escrow key too, as there should be in the cloud.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import type { StateLayout } from './layout';
import { type CloudAddresses, sampleTenant } from './settings';

export type KeyPlace = 'key-file' | 'key-vault';

const ESCROW_BITS = 3072;
const OWNER_ONLY = { mode: 0o600, flag: 'wx' } as const;

export function writeKeys(place: KeyPlace, layout: StateLayout): void {
  if (!existsSync(layout.keyFile)) writeFileSync(layout.keyFile, randomBytes(32), OWNER_ONLY);
  if (place === 'key-file' || existsSync(layout.escrowKeyFile)) return;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: ESCROW_BITS });
  writeFileSync(layout.escrowPrivateKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), OWNER_ONLY);
  writeFileSync(layout.escrowKeyFile, publicKey.export({ type: 'spki', format: 'pem' }), OWNER_ONLY);
}

/** Settings of the product, over those of the key file. */
export function keySettings(place: KeyPlace, layout: StateLayout, cloud: CloudAddresses): Record<string, string> {
  if (place === 'key-file') return {};
  return {
    BLOCKFERRY_KEY_FILE: '', // as good as absent
    BLOCKFERRY_KEY_VAULT_KEY: `${cloud.keyVault}/keys/${sampleTenant.tenant}`,
    BLOCKFERRY_ESCROW_KEY_FILE: layout.escrowKeyFile,
  };
}

/** Keys of the simulated vault. */
export const keySeeds = (place: KeyPlace): readonly { readonly name: string }[] =>
  place === 'key-file' ? [] : [{ name: sampleTenant.tenant }];
