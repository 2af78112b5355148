/**
 * Wraps root keys under an RSA key in Azure Key Vault, with the managed identity. The private half never leaves the vault;
 * roles: wrapKey, unwrapKey, get ("Key Vault Crypto Service Encryption User" has exactly these).
 *
 * A wrap names the version that made it, so a rotated key still opens old wraps. Only the vault and the key of the settings
 * are ever asked: the envelope comes from a bucket, and a token must not follow it to another host.
 */
import type { CryptographyClient, KeyClient, KeyVaultKey } from '@azure/keyvault-keys';
import { type Clock, systemClock } from '../base/clock';
import { type RetryRule, retry } from '../base/retry';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import { AppError, retryVerdict } from '../model/errors';
import type { AzureCredential } from './credential';
import { withDeadline } from './deadline';
import { toKeyVaultError } from './key-vault-error';
import { type KeyVaultKeyId, parseKeyVaultKeyId, sameVaultKey, tryParseKeyVaultKeyId } from './key-vault-id';
import { isLoopbackUrl } from './sas-host';

export interface KeyVaultOptions {
  /** `https://<vault>/keys/<name>`; with a version, that one wraps, else the newest. */
  readonly keyId: string;
  readonly credential: AzureCredential;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly rule?: RetryRule;
  readonly deadlineMs?: number;
}

const ALGORITHM = 'RSA-OAEP-256';
/** Key Vault throttles by ten-second windows (Azure: Key Vault service limits), so half a minute of patience is enough. */
const RULE: RetryRule = { attemptsMax: 6, firstDelayMs: 500, delayMsMax: 10_000 };
const MODULUS_BYTES_MAX = 512;

export function createKeyVaultWrapper(options: KeyVaultOptions): KeyWrapper {
  const configured = parseKeyVaultKeyId(options.keyId);
  const name = `${configured.vaultUrl}/keys/${configured.name}`;
  return {
    kind: 'key-vault',
    describe: () => Promise.resolve(`key-vault ${name}`),
    wrap: async (rootKey, { signal }) => {
      const keyId = await newestVersion(options, configured, signal);
      const wrapped = await callVault(options, `wrapping a root key with ${name}`, signal, async (abortSignal) => {
        const { result } = await cryptography(options, keyId).wrapKey(ALGORITHM, rootKey, { abortSignal });
        return Buffer.from(result);
      });
      return { kind: 'key-vault', keyId, algorithm: ALGORITHM, wrapped: wrapped.toString('base64') };
    },
    opens: (wrap) => {
      const named = tryParseKeyVaultKeyId(wrap.keyId);
      const fits = wrap.kind === 'key-vault' && wrap.algorithm === ALGORITHM && named?.version !== undefined;
      return Promise.resolve(fits && sameVaultKey(named, configured));
    },
    unwrap: (wrap, { signal }) => {
      const wrapped = Buffer.from(wrap.wrapped, 'base64');
      const named = parseKeyVaultKeyId(wrap.keyId);
      if (!sameVaultKey(named, configured) || wrapped.length > MODULUS_BYTES_MAX) {
        throw new AppError('key.wrong', `this root key was not wrapped with ${name}`);
      }
      return callVault(options, `opening a root key with ${name}`, signal, async (abortSignal) => {
        const { result } = await cryptography(options, wrap.keyId).unwrapKey(ALGORITHM, wrapped, { abortSignal });
        return Buffer.from(result);
      });
    },
  };
}

/** The id, with version, that wraps now; refuses a key that could not unwrap again. */
async function newestVersion(
  options: KeyVaultOptions,
  { vaultUrl, name, version }: KeyVaultKeyId,
  signal: AbortSignal | undefined,
): Promise<string> {
  const what = `looking at key ${name}`;
  const key = await callVault(options, what, signal, (abortSignal) =>
    keyClient(options, vaultUrl).getKey(name, { abortSignal, ...(version === undefined ? {} : { version }) }),
  );
  const keyId = key.id ?? '';
  const named = tryParseKeyVaultKeyId(keyId);
  if (!named?.version || !sameVaultKey(named, { vaultUrl, name, version })) {
    throw new AppError('key.wrong', `${what}: the vault answered with another key`);
  }
  // The service wraps with a disabled key and refuses to unwrap (azure-sdk-for-python#45342): ask before, not after.
  if (key.properties.enabled === false) {
    throw new AppError('key.disabled', `${what}: it is disabled, so it could not open again what it wraps`);
  }
  if (!/^RSA(-HSM)?$/.test(key.keyType ?? '')) {
    throw new AppError('key.wrong', `${what}: it must be an RSA key, 3072 bits or more`);
  }
  return keyId;
}

/** Deadline, repetition and our own errors, around one call on a client of its own. */
function callVault<Result>(
  options: KeyVaultOptions,
  what: string,
  signal: AbortSignal | undefined,
  run: (abortSignal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { clock = systemClock, random = Math.random, rule = RULE, deadlineMs = 20_000 } = options;
  const hooks = { clock, random, verdict: retryVerdict, ...(signal ? { signal } : {}) };
  return retry(rule, hooks, async () => {
    try {
      return await withDeadline({ what, deadlineMs, signal }, run);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw toKeyVaultError(error, what);
    }
  });
}

type Sdk = typeof import('@azure/keyvault-keys');
const loadSdk = (): Sdk => require('@azure/keyvault-keys') as Sdk; // 0.3 s: only when used

/**
 * A client for each call: the SDK asks for the challenge with an empty body, and two first requests at once on one client
 * can lose the body for good. The options object is its own too, because the SDK writes into it.
 */
const clientOptions = (vaultUrl: string) => ({
  retryOptions: { maxRetries: 0 }, // repeated by callVault
  // The simulator's host is not below the resource that its challenge names, as a vault's is.
  disableChallengeResourceVerification: isLoopbackUrl(vaultUrl),
});

const keyClient = ({ credential }: KeyVaultOptions, vaultUrl: string): KeyClient =>
  new (loadSdk().KeyClient)(vaultUrl, credential, clientOptions(vaultUrl));

/**
 * Given a key without its properties, the SDK sends the operation and nothing else. Given an id, it fetches the key first and
 * refuses an expired one by this machine's clock, where the service still unwraps: backups must open after an expiry.
 */
function cryptography({ credential }: KeyVaultOptions, keyId: string): CryptographyClient {
  const { vaultUrl, name, version } = parseKeyVaultKeyId(keyId);
  const properties = { vaultUrl, name, id: keyId, ...(version === undefined ? {} : { version }) };
  const key: KeyVaultKey = { id: keyId, name, properties };
  return new (loadSdk().CryptographyClient)(key, credential, clientOptions(vaultUrl));
}
