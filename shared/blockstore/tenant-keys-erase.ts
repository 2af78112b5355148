/**
 * Ends a tenant: destroys every wrap of its root key that is in reach, and proves what that came to. Packs and manifests stay
 * where they are, perhaps under a lock for years; without the root key they are noise.
 *
 * The order: remember the envelopes, end the Key Vault key, delete the envelopes, then try with everything at hand to open
 * the remembered ones. What still opens, or could open elsewhere (an escrow key, a copy of a key file), is named for the
 * people who hold it. Each step may be repeated.
 */
import { type KeyEnvelope, type RootKeyWrap, rootGeneration } from '../format/key-envelope';
import { envelopePrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import type { DestroyableKey, DestroyedKey, KeyWrapper } from './key-wrapper';
import type { ObjectEraser } from './object-store';
import { type EnvelopePlace, envelopeBuckets, listEnvelopes, readEnvelope } from './tenant-keys-store';

export interface EraseRequest extends EnvelopePlace {
  readonly objects: ObjectEraser;
  readonly vaultKeys: readonly DestroyableKey[];
  /** Whatever might still open the tenant: the proof uses it. */
  readonly wrappers: readonly KeyWrapper[];
  /** Also end deleted vault keys for good, where the vault allows it. */
  readonly purge: boolean;
}

export interface EraseReport {
  readonly tenant: string;
  readonly envelopesFound: number;
  readonly versionsDeleted: number;
  /** Envelopes that the store keeps, by bucket and key: locked ones. Their wraps must be destroyed at the other end. */
  readonly envelopesKept: readonly string[];
  readonly vaultKeys: readonly DestroyedKey[];
  /** Wraps that something at hand still opens: a copy of such an envelope would bring the tenant back. */
  readonly stillOpens: readonly string[];
  /** What people hold, and must destroy, before nobody can open a kept or copied envelope: key files, escrow keys, other vault keys. */
  readonly mustBeDestroyed: readonly string[];
  /** Nothing at hand opens any wrap, or no envelope is left in the buckets. */
  readonly erased: boolean;
}

/** Throws `cloud.*` and `store.*` when a step could not be done: repeat it then. */
export async function eraseTenantKeys(request: EraseRequest): Promise<EraseReport> {
  const { tenant, objects, purge, signal } = request;
  const envelopes = await readAll(request);
  const vaultKeys: DestroyedKey[] = [];
  for (const key of request.vaultKeys) vaultKeys.push(await key.destroy({ purge, ...(signal ? { signal } : {}) }));
  let versionsDeleted = 0;
  const envelopesKept: string[] = [];
  for (const bucket of envelopeBuckets) {
    const { deletedCount, kept } = await objects.eraseAll(bucket, envelopePrefix(tenant), signal ? { signal } : {});
    versionsDeleted += deletedCount;
    envelopesKept.push(...kept.map((key) => `${bucket} ${key}`));
  }
  const remaining = await listEnvelopes(request);
  const wraps = distinct(envelopes.flatMap((envelope) => envelope.wraps));
  const stillOpens = await opening(request, wraps);
  return {
    tenant,
    envelopesFound: envelopes.length,
    versionsDeleted,
    envelopesKept,
    vaultKeys,
    stillOpens,
    mustBeDestroyed: [...new Set(wraps.filter((wrap) => !destroyed(wrap, vaultKeys)).map(nameOf))],
    erased: stillOpens.length === 0 || (remaining.length === 0 && envelopesKept.length === 0),
  };
}

async function readAll(request: EraseRequest): Promise<KeyEnvelope[]> {
  const found: KeyEnvelope[] = [];
  for (const name of await listEnvelopes(request)) {
    const { copies } = await readEnvelope(request, name);
    found.push(...copies.map(({ envelope }) => envelope));
  }
  return found;
}

/** The proof, on the remembered wraps: deleting our copy says nothing of somebody else's. */
async function opening({ tenant, wrappers, signal }: EraseRequest, wraps: readonly RootKeyWrap[]): Promise<string[]> {
  const open: string[] = [];
  for (const wrap of wraps) {
    for (const wrapper of wrappers) {
      try {
        if (!(await wrapper.opens(wrap))) continue;
        const rootKey = await wrapper.unwrap(wrap, { tenant, generation: rootGeneration, signal });
        rootKey.fill(0);
        open.push(nameOf(wrap));
      } catch (error) {
        // A vault that does not answer has not proven anything.
        if (!isAppError(error) || error.retryable || !error.code.startsWith('key.')) throw notProven(tenant, error);
      }
    }
  }
  return open;
}

/** A vault key is ended with all its versions, which its wraps name. */
const destroyed = (wrap: RootKeyWrap, vaultKeys: readonly DestroyedKey[]): boolean =>
  wrap.kind === 'key-vault' && vaultKeys.some(({ keyId }) => wrap.keyId.startsWith(`${keyId}/`));

const nameOf = ({ kind, keyId }: RootKeyWrap): string => `${kind} ${keyId}`;

const distinct = (wraps: readonly RootKeyWrap[]): RootKeyWrap[] => [
  ...new Map(wraps.map((wrap) => [`${nameOf(wrap)} ${wrap.wrapped}`, wrap])).values(),
];

function notProven(tenant: string, cause: unknown): unknown {
  if (!isAppError(cause)) return cause;
  return new AppError(cause.code, `tenant ${tenant} is not proven erased: ${cause.message}; run the command again`, {
    retryable: cause.retryable,
    context: cause.context,
  });
}
