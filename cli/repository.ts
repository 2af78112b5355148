/**
 * Direct access: the buckets or a folder with copies of them, and a key. The options have the names that the independent
 * reader (docs/reader) has. Without any of them the settings of the function app in the environment are used.
 */

import type { DirectKey, DirectStores } from '../shared/app/open-direct';
import type { Logger } from '../shared/base/logger';
import type { Repository } from '../shared/blockstore/repository';
import { usageError } from './cli-error';
import type { Environment } from './profiles';

export type DirectRepository = Repository;

export interface RepositoryFlags {
  readonly data?: string | undefined;
  readonly control?: string | undefined;
  readonly bucket?: string | undefined;
  readonly controlBucket?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly tenant?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly escrowKey?: string | undefined;
  readonly rootKeyFile?: string | undefined;
  readonly keyVaultKey?: string | undefined;
}

/** Of every command that reaches the repository. */
export const repositoryFlags = [
  { flags: '--data <folder>', says: 'folder with a copy of the data bucket', name: 'data' },
  { flags: '--control <folder>', says: 'folder with a copy of the control bucket', name: 'control' },
  { flags: '--bucket <name>', says: 'the data bucket itself, with your AWS credentials', name: 'bucket' },
  { flags: '--control-bucket <name>', says: 'the control bucket itself', name: 'controlBucket' },
  { flags: '--region <region>', says: 'AWS region of the buckets (or AWS_REGION)', name: 'region' },
  { flags: '--endpoint <url>', says: 'another S3 endpoint (or AWS_ENDPOINT_URL)', name: 'endpoint' },
  { flags: '--tenant <name>', says: 'which tenant, when the buckets hold several', name: 'tenant' },
  { flags: '--key-file <file>', says: 'key that wraps the root key: what BLOCKFERRY_KEY_FILE names', name: 'keyFile' },
  { flags: '--escrow-key <file>', says: 'private escrow key (PEM)', name: 'escrowKey' },
  { flags: '--root-key-file <file>', says: 'the root key itself, unwrapped by hand', name: 'rootKeyFile' },
  { flags: '--key-vault-key <id>', says: 'Key Vault key that wraps the root key', name: 'keyVaultKey' },
] as const;

/** Opens what flags or settings name. */
export async function openRepositoryFor(
  flags: RepositoryFlags,
  environment: Environment,
  logger: Logger,
): Promise<DirectRepository> {
  const stores = storesOf(flags, environment);
  if (stores === undefined) return fromSettings(environment, logger);
  const { openDirect } = require('../shared/app/open-direct') as typeof import('../shared/app/open-direct');
  return openDirect({ stores, key: keyOf(flags, environment), tenant: flags.tenant, logger });
}

function storesOf(flags: RepositoryFlags, environment: Environment): DirectStores | undefined {
  if (flags.data !== undefined && flags.bucket !== undefined) {
    throw usageError('--data and --bucket name two repositories: give one of them');
  }
  if (flags.data !== undefined) return { kind: 'folder', data: flags.data, control: flags.control };
  if (flags.bucket === undefined) return undefined;
  const region = flags.region ?? environment['AWS_REGION'];
  if (region === undefined)
    throw usageError('the region of the bucket is not known', 'give --region, or set AWS_REGION');
  const endpoint = flags.endpoint ?? environment['AWS_ENDPOINT_URL'];
  return { kind: 'buckets', data: flags.bucket, control: flags.controlBucket, region, endpoint };
}

function keyOf(flags: RepositoryFlags, environment: Environment): DirectKey {
  const keyFile =
    flags.keyFile ??
    (flags.escrowKey || flags.rootKeyFile || flags.keyVaultKey ? undefined : environment['BLOCKFERRY_KEY_FILE']);
  const given: DirectKey[] = [
    ...(keyFile === undefined ? [] : [{ kind: 'key-file' as const, path: keyFile }]),
    ...(flags.escrowKey === undefined ? [] : [{ kind: 'escrow' as const, path: flags.escrowKey }]),
    ...(flags.rootKeyFile === undefined ? [] : [{ kind: 'root-key-file' as const, path: flags.rootKeyFile }]),
    ...(flags.keyVaultKey === undefined ? [] : [{ kind: 'key-vault' as const, keyId: flags.keyVaultKey }]),
  ];
  const [key, ...more] = given;
  if (key !== undefined && more.length === 0) return key;
  throw usageError(
    key === undefined ? 'no key was given' : 'more than one key was given',
    'give one of --key-file, --escrow-key, --root-key-file, --key-vault-key',
  );
}

async function fromSettings(environment: Environment, logger: Logger): Promise<DirectRepository> {
  const { loadSettings } = require('../shared/app/config') as typeof import('../shared/app/config');
  const { composeFoundation } =
    require('../shared/app/compose-data-plane') as typeof import('../shared/app/compose-data-plane');
  const settings = loadSettings(environment);
  const tenant = settings.BLOCKFERRY_TENANT;
  return composeFoundation(settings, logger).openRepository({ role: 'reader', tenant, sessionId: `cli-${Date.now()}` });
}
