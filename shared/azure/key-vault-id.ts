/** Ids of Key Vault keys: `https://<vault>/keys/<name>[/<version>]`. A token is sent to the vault that one names, so it is vetted. */
import { AppError } from '../model/errors';
import { isLoopbackUrl } from './sas-host';

export interface KeyVaultKeyId {
  /** `https://name.vault.azure.net` */
  readonly vaultUrl: string;
  readonly name: string;
  readonly version: string | undefined;
}

/** Key Vault and Managed HSM in the public cloud, US Government and China. */
const vaultSuffixes: readonly string[] = [
  '.vault.azure.net',
  '.managedhsm.azure.net',
  '.vault.usgovcloudapi.net',
  '.managedhsm.usgovcloudapi.net',
  '.vault.azure.cn',
  '.managedhsm.azure.cn',
];

const PATH = /^\/keys\/([\w-]{1,127})(?:\/([0-9a-f]{32}))?\/?$/i;

/** `config.invalid` unless it is https to a vault's host, or to loopback (the simulator). */
export function parseKeyVaultKeyId(keyId: string): KeyVaultKeyId {
  const parsed = tryParseKeyVaultKeyId(keyId);
  if (parsed) return parsed;
  throw new AppError('config.invalid', 'BLOCKFERRY_KEY_VAULT_KEY is not the id of a key in a Key Vault of Azure');
}

export function tryParseKeyVaultKeyId(keyId: string): KeyVaultKeyId | undefined {
  const url = URL.parse(keyId);
  const [, name, version] = PATH.exec(url?.pathname ?? '') ?? [];
  if (!url || !name || url.protocol !== 'https:' || url.username || url.password || url.search || url.hash) {
    return undefined;
  }
  const host = url.hostname.toLowerCase();
  if (!isLoopbackUrl(keyId) && !vaultSuffixes.some((suffix) => host.endsWith(suffix))) return undefined;
  return { vaultUrl: url.origin, name: name.toLowerCase(), version: version?.toLowerCase() };
}

export const sameVaultKey = (a: KeyVaultKeyId, b: KeyVaultKeyId): boolean =>
  a.vaultUrl === b.vaultUrl && a.name === b.name;
