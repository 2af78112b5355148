/** Headers of the caller, from a credential. Tokens are asked for when they are needed, and live in memory only. */
import { CliError } from './cli-error';
import type { Credential } from './connection';

export function authorizer(credential: Credential): () => Promise<Readonly<Record<string, string>>> {
  switch (credential.kind) {
    case 'key':
      return async () => ({ 'x-functions-key': credential.key });
    case 'token':
      return async () => ({ authorization: `Bearer ${credential.token}` });
    case 'azure-cli':
      return azureCli(credential.scope);
  }
}

/** Renewed this long before its end, so that no call leaves with a token that dies on the way. */
const MARGIN_MS = 120_000;

/** The sign-in is the one of `az login`, which keeps it where the system keeps such things. */
function azureCli(scope: string): () => Promise<Readonly<Record<string, string>>> {
  let token: { readonly token: string; readonly expiresOnTimestamp: number } | undefined;
  return async () => {
    if (token === undefined || token.expiresOnTimestamp - Date.now() < MARGIN_MS) {
      const { AzureCliCredential } = require('@azure/identity') as typeof import('@azure/identity');
      token = await new AzureCliCredential().getToken(scope).catch(() => {
        throw new CliError('denied', `az gives no token for ${scope}`, {
          code: 'cli.no-sign-in',
          hint: 'sign in with `az login`; the scope is in the profile file',
        });
      });
    }
    return { authorization: `Bearer ${token.token}` };
  };
}
