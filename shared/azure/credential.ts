import type { ManagedIdentityCredential, TokenCredential } from '@azure/identity';
import { AppError } from '../model/errors';
import { toAppError } from './azure-error';
import { withDeadline } from './deadline';

export type AzureCredential = TokenCredential;

const TOKEN_DEADLINE_MS = 60_000;

/**
 * The app's managed identity: system-assigned, or the user-assigned one with `clientId`. Nothing else is tried, because a
 * chain of credentials costs seconds and may pick a developer's account. The SDK is loaded at the first token.
 */
export function createAzureCredential(options: { readonly clientId?: string | undefined } = {}): AzureCredential {
  let credential: ManagedIdentityCredential | undefined;
  const load = (): ManagedIdentityCredential => {
    const identity = require('@azure/identity') as typeof import('@azure/identity'); // 0.4 s: only when used
    return options.clientId
      ? new identity.ManagedIdentityCredential({ clientId: options.clientId })
      : new identity.ManagedIdentityCredential();
  };
  return {
    getToken: async (scopes, tokenOptions) => {
      credential ??= load();
      return credential.getToken(scopes, tokenOptions);
    },
  };
}

/**
 * Fetches JWTs for one audience, such as the federation app that AWS trusts (`api://...`). Each call asks the credential,
 * which caches and renews: nobody may keep the result, because it dies within hours.
 */
export function createTokenProvider(credential: AzureCredential, audience: string): () => Promise<string> {
  const scope = scopeOf(audience);
  return async () => {
    const what = 'getting a federation token from the managed identity';
    try {
      const token = await withDeadline({ what, deadlineMs: TOKEN_DEADLINE_MS }, (abortSignal) =>
        credential.getToken(scope, { abortSignal }),
      );
      if (!token?.token) throw new AppError('cloud.denied', `${what}: the identity gave none`, { retryable: true });
      return token.token;
    } catch (error) {
      throw toAppError(error, what);
    }
  };
}

/** `<audience>/.default`; an audience that ends in a slash keeps it (Azure tells `x` from `x/`). */
export const scopeOf = (audience: string): string =>
  audience.endsWith('/.default') ? audience : `${audience}/.default`;
