/**
 * A repository without the function app: from buckets, or from a folder with copies of them, and one of the keys that open the
 * root key. To read; nothing here makes keys or writes.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openOwnBuckets } from '../aws/own-credentials';
import { createAzureCredential } from '../azure/credential';
import { createKeyVaultWrapper } from '../azure/key-vault';
import { systemClock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import type { KeySource, StorePair } from '../blockstore/object-store';
import { openRepository, type Repository } from '../blockstore/repository';
import { AppError } from '../model/errors';
import { tenantIdSchema } from '../model/ids';
import { createFolderStore, emptyStore } from './folder-store';
import { createEscrowWrapper } from './key-escrow';
import { createKeyFileWrapper } from './key-file';
import { createTenantKeySource } from './key-source';

/** Where the buckets are. Without the control bucket what was not published to its end is not found. */
export type DirectStores =
  | { readonly kind: 'folder'; readonly data: string; readonly control?: string | undefined }
  | {
      readonly kind: 'buckets';
      readonly data: string;
      readonly control?: string | undefined;
      readonly region: string;
      readonly endpoint?: string | undefined;
    };

/** What opens the root key, or holds it. */
export type DirectKey =
  | { readonly kind: 'key-file'; readonly path: string }
  | { readonly kind: 'escrow'; readonly path: string }
  | { readonly kind: 'root-key-file'; readonly path: string }
  | { readonly kind: 'key-vault'; readonly keyId: string };

export interface DirectOptions {
  readonly stores: DirectStores;
  readonly key: DirectKey;
  /** Needed when the buckets hold more than one. */
  readonly tenant?: string | undefined;
  readonly logger: Logger;
}

export async function openDirect(options: DirectOptions): Promise<Repository> {
  const { logger } = options;
  const stores = openStores(options.stores);
  const tenant = options.tenant ?? (await onlyTenant(options.stores));
  return openRepository({ stores, tenant, keys: keySource(options.key, stores, logger), clock: systemClock, logger });
}

function openStores(where: DirectStores): StorePair {
  const { data, control } = where;
  if (where.kind === 'folder') {
    return { data: createFolderStore(data), control: control === undefined ? emptyStore : createFolderStore(control) };
  }
  const { region, endpoint } = where;
  const pair = openOwnBuckets({ region, endpoint, dataBucket: data, controlBucket: control ?? data });
  return control === undefined ? { data: pair.data, control: emptyStore } : pair;
}

/** A folder shows its tenants at a glance; a bucket would have to be listed to its end. */
async function onlyTenant(where: DirectStores): Promise<string> {
  const say = 'say which tenant (--tenant)';
  if (where.kind === 'buckets') throw new AppError('request.invalid', `a bucket may hold several tenants: ${say}`);
  const names = await readdir(path.join(where.data, 't')).catch(() => []);
  const [tenant, ...more] = names.filter((name) => tenantIdSchema.safeParse(name).success);
  if (tenant === undefined) {
    throw new AppError('store.not-found', `${where.data} is no copy of a data bucket: it has no folder t/<tenant>`);
  }
  if (more.length > 0) throw new AppError('request.invalid', `${where.data} holds ${names.join(', ')}: ${say}`);
  return tenant;
}

function keySource(key: DirectKey, stores: StorePair, logger: Logger): KeySource {
  if (key.kind === 'root-key-file') return { rootKey: () => readRootKey(key.path), release: (bytes) => bytes.fill(0) };
  const source = createTenantKeySource({
    wrappers: [wrapperOf(key)],
    pinnedCheck: undefined,
    randomBytes,
    clock: systemClock,
    logger,
  });
  return source.through(stores, 'reader');
}

function wrapperOf(key: Exclude<DirectKey, { readonly kind: 'root-key-file' }>): KeyWrapper {
  if (key.kind === 'key-file') return createKeyFileWrapper({ path: key.path, randomBytes });
  if (key.kind === 'escrow') return createEscrowWrapper({ path: key.path, half: 'private' });
  return createKeyVaultWrapper({ keyId: key.keyId, credential: createAzureCredential() });
}

const ROOT_KEY_BYTES = 32;

async function readRootKey(path: string): Promise<Buffer> {
  const content = await readFile(path).catch(() => undefined);
  if (content === undefined) throw new AppError('key.missing', `the file with the root key, ${path}, cannot be read`);
  const text = content.length > ROOT_KEY_BYTES ? content.toString('latin1').trim() : '';
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : content;
  if (key.length === ROOT_KEY_BYTES) return key;
  throw new AppError('key.wrong', `${path} must hold ${ROOT_KEY_BYTES} bytes or ${2 * ROOT_KEY_BYTES} hex digits`);
}
