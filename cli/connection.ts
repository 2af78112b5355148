/**
 * Where the API is and who asks: flags, then environment, then the profile file. The credential is never an argument. It is a
 * function key, a bearer token, or a sign-in that `az` keeps; a key or token goes over TLS or to this very machine only.
 */
import { z } from 'zod';
import { CliError, usageError } from './cli-error';
import { type Environment, profilePath, readProfiles } from './profiles';
import { readSecretFile } from './secret-file';

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly profile?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export type Credential =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'azure-cli'; readonly scope: string };

export interface Connection {
  /** Without a slash at the end; paths such as `/vms` follow. */
  readonly url: string;
  readonly credential: Credential;
}

/** Of every command that reaches the API. */
export const connectionFlags = [
  { flags: '--url <url>', says: 'base address of the API, such as https://HOST/api (or BLOCKFERRY_URL)', name: 'url' },
  { flags: '--profile <name>', says: 'entry of the profile file (or BLOCKFERRY_PROFILE)', name: 'profile' },
  { flags: '--api-key-file <file>', says: 'file with the function key (or BLOCKFERRY_KEY)', name: 'apiKeyFile' },
  { flags: '--token-file <file>', says: 'file with a bearer token (or BLOCKFERRY_TOKEN)', name: 'tokenFile' },
] as const;

export async function findConnection(options: ConnectionOptions, environment: Environment): Promise<Connection> {
  const profile = await chosenProfile(options, environment);
  const given = options.url ?? environment['BLOCKFERRY_URL'] ?? profile?.url;
  if (given === undefined) {
    throw usageError(
      'no API is configured',
      `run \`blockferry login --url URL\`, or set BLOCKFERRY_URL and BLOCKFERRY_KEY (looked into ${profilePath(environment)} too)`,
    );
  }
  const url = vetUrl(given);
  return { url, credential: await credentialOf(options, environment, profile) };
}

async function chosenProfile(options: ConnectionOptions, environment: Environment) {
  const named = options.profile ?? environment['BLOCKFERRY_PROFILE'];
  // A complete answer from flags or environment needs no file, and is not spoilt by a broken one.
  const profiles = await readProfiles(environment);
  const profile = profiles[named ?? 'default'];
  if (named !== undefined && profile === undefined) {
    const known = Object.keys(profiles).join(', ') || 'none';
    throw usageError(`no profile ${named}`, `known: ${known}; \`blockferry login --profile ${named}\` makes it`);
  }
  return profile;
}

async function credentialOf(
  options: ConnectionOptions,
  environment: Environment,
  profile: Awaited<ReturnType<typeof chosenProfile>>,
): Promise<Credential> {
  if (options.tokenFile !== undefined) return { kind: 'token', token: await readSecretFile(options.tokenFile) };
  if (options.apiKeyFile !== undefined) return { kind: 'key', key: bareKey(await readSecretFile(options.apiKeyFile)) };
  const token = environment['BLOCKFERRY_TOKEN'];
  if (token) return { kind: 'token', token: token.trim() };
  const key = environment['BLOCKFERRY_KEY'];
  if (key) return { kind: 'key', key: bareKey(key) };
  if (profile?.key !== undefined) return { kind: 'key', key: profile.key };
  if (profile?.scope !== undefined) return { kind: 'azure-cli', scope: profile.scope };
  throw new CliError('denied', 'no credential for the API', {
    code: 'cli.no-credential',
    hint: 'set BLOCKFERRY_KEY or BLOCKFERRY_TOKEN, or run `blockferry login`',
  });
}

/** `npm start` prints the key as the header that curl takes; both forms are good. */
export const bareKey = (text: string): string => text.trim().replace(/^x-functions-key:\s*/i, '');

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** An address that a key may be sent to. */
export function vetUrl(text: string): string {
  const parsed = z.url().safeParse(text);
  const url = parsed.success ? new URL(parsed.data) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw usageError(`${JSON.stringify(text)} is no address of an API`, 'give one such as https://HOST/api');
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw usageError(`a key is not sent in clear to ${url.hostname}`, 'use https://');
  }
  return url.href.replace(/\/+$/, '');
}
