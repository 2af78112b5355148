/**
 * Ends a key in Key Vault: deletes all its versions, then purges it where the vault allows that. With purge protection, as it
 * should be, the vault alone ends it, at the end of its retention; until then a person with the right may recover it.
 * Needs permissions that no job has: delete and purge (role "Key Vault Crypto Officer").
 */
import type { DeletedKey, KeyClient } from '@azure/keyvault-keys';
import { type Clock, systemClock } from '../base/clock';
import { type RetryRule, retry } from '../base/retry';
import type { DestroyableKey } from '../blockstore/key-wrapper';
import { isAppError, retryVerdict } from '../model/errors';
import type { AzureCredential } from './credential';
import { withDeadline } from './deadline';
import { toKeyVaultError } from './key-vault-error';
import { parseKeyVaultKeyId } from './key-vault-id';
import { isLoopbackUrl } from './sas-host';

export interface KeyVaultDestroyOptions {
  readonly keyId: string;
  readonly credential: AzureCredential;
  readonly clock?: Clock;
  readonly rule?: RetryRule;
  readonly deadlineMs?: number;
}

const RULE: RetryRule = { attemptsMax: 8, firstDelayMs: 500, delayMsMax: 10_000 };

export function createDestroyableKey(options: KeyVaultDestroyOptions): DestroyableKey {
  const { vaultUrl, name } = parseKeyVaultKeyId(options.keyId);
  const { clock = systemClock, rule = RULE, deadlineMs = 60_000 } = options;
  const keyId = `${vaultUrl}/keys/${name}`;
  const call = <Result>(
    what: string,
    signal: AbortSignal | undefined,
    run: (abortSignal: AbortSignal) => Promise<Result>,
  ) =>
    retry(rule, { clock, random: Math.random, verdict: retryVerdict, ...(signal ? { signal } : {}) }, async () => {
      try {
        return await withDeadline({ what, deadlineMs, signal }, run);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw toKeyVaultError(error, what);
      }
    });
  const client = (): KeyClient => {
    const sdk = require('@azure/keyvault-keys') as typeof import('@azure/keyvault-keys'); // 0.3 s: only when used
    return new sdk.KeyClient(vaultUrl, options.credential, {
      retryOptions: { maxRetries: 0 },
      disableChallengeResourceVerification: isLoopbackUrl(vaultUrl),
    });
  };
  return {
    destroy: async ({ purge, signal }) => {
      const keys = client();
      /** undefined when it is gone already: repeating is safe. */
      const orGone = async <Result>(work: Promise<Result>): Promise<Result | undefined> => {
        try {
          return await work;
        } catch (error) {
          if (isAppError(error, 'key.missing')) return undefined;
          throw error;
        }
      };
      const deleting = call(`deleting ${keyId}`, signal, async (abortSignal): Promise<DeletedKey> => {
        const poller = await keys.beginDeleteKey(name, { abortSignal, intervalInMs: 1000 });
        return poller.pollUntilDone();
      });
      const looking = () =>
        call(`looking at deleted ${keyId}`, signal, (abortSignal) => keys.getDeletedKey(name, { abortSignal }));
      const deleted = (await orGone(deleting)) ?? (await orGone(looking()));
      if (!deleted) return { keyId, state: 'purged' };
      const endsAt = deleted.properties.scheduledPurgeDate?.toISOString();
      const recoverable = { keyId, state: 'recoverable', ...(endsAt === undefined ? {} : { endsAt }) } as const;
      if (!purge || !deleted.properties.recoveryLevel?.includes('Purgeable')) return recoverable;
      await orGone(call(`purging ${keyId}`, signal, (abortSignal) => keys.purgeDeletedKey(name, { abortSignal })));
      return { keyId, state: 'purged' };
    },
  };
}
