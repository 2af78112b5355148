/** The wrappers that the settings ask for. */
import { randomBytes } from 'node:crypto';
import type { AzureCredential } from '../azure/credential';
import { createKeyVaultWrapper } from '../azure/key-vault';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import type { Settings } from './config';
import { createEscrowWrapper } from './key-escrow';
import { createKeyFileWrapper } from './key-file';

export type KeySettings = Pick<
  Settings,
  'BLOCKFERRY_KEY_FILE' | 'BLOCKFERRY_KEY_VAULT_KEY' | 'BLOCKFERRY_ESCROW_KEY_FILE'
>;

/** Key Vault before the key file, escrow last. */
export function keyWrappers(settings: KeySettings, credential: AzureCredential): KeyWrapper[] {
  const { BLOCKFERRY_KEY_FILE: file, BLOCKFERRY_KEY_VAULT_KEY: keyId, BLOCKFERRY_ESCROW_KEY_FILE: escrow } = settings;
  return [
    ...(keyId === undefined ? [] : [createKeyVaultWrapper({ keyId, credential })]),
    ...(file === undefined ? [] : [createKeyFileWrapper({ path: file, randomBytes })]),
    ...(escrow === undefined ? [] : [createEscrowWrapper({ path: escrow, half: 'public' })]),
  ];
}
