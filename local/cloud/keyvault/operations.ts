/** What each operation does and answers. Throws VaultErrors. */
import { constants, createPublicKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import { z } from 'zod';
import { ALL_OPERATIONS, type KeyStore, type KeyVersion } from './key-store';
import type { VaultCall } from './routes';
import { badParameter, forbidden, VaultError } from './vault-error';
import { bundleView, deletedView, itemView, keyId, type VaultShape } from './views';

export interface VaultReply {
  readonly status: number;
  readonly body?: object;
}

export interface VaultWorld {
  readonly keys: KeyStore;
  readonly shape: () => VaultShape;
  readonly nowSeconds: () => number;
}

const PAGE_MAX = 25;
const BITS_DEFAULT = 2048;

const attributes = z
  .object({ enabled: z.boolean().optional(), nbf: z.int().optional(), exp: z.int().optional() })
  .default({});
const operations = z.array(z.enum(ALL_OPERATIONS)).optional();
const createBody = z.object({
  kty: z.literal(['RSA', 'RSA-HSM']),
  key_size: z.literal([2048, 3072, 4096]).default(BITS_DEFAULT),
  key_ops: operations,
  attributes,
});
const updateBody = z.object({ key_ops: operations, attributes });
const wrapBody = z.object({ alg: z.string(), value: z.base64url() });

export async function perform(world: VaultWorld, call: VaultCall, url: URL, body: unknown): Promise<VaultReply> {
  const { keys } = world;
  const shape = world.shape();
  const { name, version } = call;
  const bundle = (key: KeyVersion): VaultReply => ({ status: 200, body: bundleView(shape, key) });
  switch (call.operation) {
    case 'keyvault.getKey':
      return bundle(keys.get(name, version));
    case 'keyvault.createKey': {
      const asked = read(createBody, body);
      return bundle(await keys.create(name, asked.key_size, changeOf(asked)));
    }
    case 'keyvault.rotateKey': {
      const { bits, operations: kept } = keys.get(name);
      return bundle(await keys.create(name, bits, { operations: kept }));
    }
    case 'keyvault.updateKey':
      return bundle(keys.update(name, version, changeOf(read(updateBody, body))));
    case 'keyvault.wrapKey':
      return wrap(world, shape, keys.get(name, version), body);
    case 'keyvault.unwrapKey':
      return unwrap(shape, keys.get(name, version), body);
    case 'keyvault.deleteKey':
      return { status: 200, body: deletedView(shape, keys.delete(name, shape.retentionDays)) };
    case 'keyvault.getDeletedKey':
      return { status: 200, body: deletedView(shape, keys.deleted(name)) };
    case 'keyvault.purgeKey':
      if (shape.purgeProtection) {
        throw forbidden('ForbiddenByPolicy', 'Operation "purge" is not allowed because purge protection is enabled.');
      }
      keys.purge(name);
      return { status: 204 };
    case 'keyvault.recoverKey':
      return bundle(keys.recover(name));
    case 'keyvault.listKeys':
      return page(
        shape,
        url,
        keys.names(false).map((known) => itemView(shape, keys.get(known), false)),
      );
    case 'keyvault.listKeyVersions':
      keys.get(name);
      return page(
        shape,
        url,
        keys.versions(name).map((known) => itemView(shape, known, true)),
      );
    case 'keyvault.listDeletedKeys':
      return page(
        shape,
        url,
        keys.names(true).map((known) => deletedView(shape, keys.deleted(known))),
      );
    default:
      throw new VaultError(501, 'NotImplemented', `${call.operation} is not emulated`);
  }
}

/** Like the service, it wraps with a disabled key and refuses to unwrap with one (azure-sdk-for-python#45342). */
function wrap(world: VaultWorld, shape: VaultShape, key: KeyVersion, body: unknown): VaultReply {
  requireOperation(key, 'wrapKey');
  const now = world.nowSeconds();
  if (key.notBefore !== undefined && now < key.notBefore) {
    throw forbidden('KeyNotYetValid', 'Operation wrapKey is not allowed on a key that is not yet valid.');
  }
  if (key.expires !== undefined && now >= key.expires) {
    throw forbidden('KeyExpired', 'Operation wrapKey is not allowed on an expired key.');
  }
  const { value, ...oaep } = readWrap(body);
  const limitBytes = key.bits / 8 - 66;
  if (value.length > limitBytes) throw badParameter('The size of the value is too large for this key.');
  const result = publicEncrypt({ key: createPublicKey(key.pem), ...oaep }, value);
  return { status: 200, body: { kid: keyId(shape, key), value: result.toString('base64url') } };
}

function unwrap(shape: VaultShape, key: KeyVersion, body: unknown): VaultReply {
  requireOperation(key, 'unwrapKey');
  if (!key.enabled) throw forbidden('KeyDisabled', 'Operation unwrapKey is not allowed on a disabled key.');
  const { value, ...oaep } = readWrap(body);
  try {
    const result = privateDecrypt({ key: key.pem, ...oaep }, value);
    return { status: 200, body: { kid: keyId(shape, key), value: result.toString('base64url') } };
  } catch {
    throw badParameter('The parameter is incorrect.');
  }
}

function requireOperation(key: KeyVersion, operation: string): void {
  if (key.operations.includes(operation)) return;
  throw forbidden('KeyOperationForbidden', `Operation ${operation} is not permitted on this key.`);
}

function readWrap(body: unknown) {
  const { alg, value } = read(wrapBody, body);
  const hashes: Readonly<Record<string, string>> = { 'RSA-OAEP': 'sha1', 'RSA-OAEP-256': 'sha256' };
  const oaepHash = hashes[alg];
  if (oaepHash === undefined) throw badParameter(`Algorithm ${alg} is not supported for this key.`);
  return { value: Buffer.from(value, 'base64url'), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
}

const changeOf = (asked: z.infer<typeof updateBody>) => ({
  ...(asked.attributes.enabled === undefined ? {} : { enabled: asked.attributes.enabled }),
  ...(asked.attributes.nbf === undefined ? {} : { notBefore: asked.attributes.nbf }),
  ...(asked.attributes.exp === undefined ? {} : { expires: asked.attributes.exp }),
  ...(asked.key_ops === undefined ? {} : { operations: asked.key_ops }),
});

function read<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const { data, error } = schema.safeParse(body);
  if (error) throw badParameter(`Property ${error.issues[0]?.path.join('.') ?? ''} has an invalid value.`);
  return data as z.infer<Schema>;
}

function page(shape: VaultShape, { pathname, searchParams: query }: URL, items: readonly object[]): VaultReply {
  const size = Math.min(PAGE_MAX, Number(query.get('maxresults') ?? PAGE_MAX) || PAGE_MAX);
  const start = Number(query.get('$skiptoken') ?? 0);
  const next = new URLSearchParams(query);
  next.set('$skiptoken', String(start + size));
  const nextLink = start + size < items.length ? `${shape.origin}${pathname}?${next}` : null;
  return { status: 200, body: { value: items.slice(start, start + size), nextLink } };
}
