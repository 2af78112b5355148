/**
 * Opens a tenant's root key, makes it once, wraps it anew.
 *
 * 1. List the envelopes of both buckets. The oldest one is the anchor: it was written once, before any data, and says which
 *    root key this tenant has (`check`). Newer ones with another check were made by somebody else: they are passed over.
 * 2. Newest first, each wrap is offered to the wrappers that may open it. Older envelopes serve while a new key is rolled out.
 * 3. The unwrapped key must fit the check and authenticate its envelope; then a missing copy is put back.
 *
 * Only when there is no envelope and no data either, a new root key is made. A tenant whose envelopes are gone has lost its
 * key, and gets `key.missing`: a new key would make new backups that nobody could tell from the old ones.
 */

import {
  authenticateEnvelope,
  encodeEnvelope,
  type KeyEnvelope,
  rewrapMax,
  rootGeneration,
  rootKeyCheck,
} from '../format/key-envelope';
import { packGenerationMax, rootKeyBytes } from '../format/keys';
import { envelopeKey } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import type { KeyWrapper, WrapContext } from './key-wrapper';
import {
  type EnvelopeName,
  type EnvelopePlace,
  hasData,
  listEnvelopes,
  putEnvelope,
  readEnvelope,
  repairCopies,
} from './tenant-keys-store';
import { findCheck, openCopy } from './tenant-keys-unwrap';

export interface TenantKeysOptions extends EnvelopePlace {
  /** Those that can open it; tried in this order. */
  readonly wrappers: readonly KeyWrapper[];
  /** Cryptographically random bytes. */
  readonly randomBytes: (count: number) => Buffer;
  /** `check` that the root key must have: guards a tenant against a store that hands out a key of its own making. */
  readonly pinnedCheck?: string | undefined;
}

export interface OpenedRootKey {
  /** The caller's own copy; fill it with zeros after use. */
  readonly rootKey: Buffer;
  readonly envelope: KeyEnvelope;
}

const RACES_MAX = 4;

/**
 * The root key of a tenant. With `mayCreate` (a writer) a tenant without any object gets one. Errors: `key.missing`,
 * `key.wrong`, `key.disabled`, `key.corrupt`, `format.unknown`, `cloud.*`, `store.*`; nothing is written then.
 */
export async function openRootKey(options: TenantKeysOptions, mayCreate: boolean): Promise<OpenedRootKey> {
  for (let race = 1; ; race++) {
    const opened = (await openExisting(options)) ?? (await create(options, mayCreate));
    if (opened) return opened;
    // Another writer was first: its key is the tenant's, and is there now.
    if (race >= RACES_MAX) throw missing(options.tenant, 'its key envelope comes and goes');
  }
}

/**
 * Wraps the same root key anew under all of `under`, as the next envelope. For a new wrapping key, a new version of it, an
 * escrow key that is added. Old envelopes stay: what must not open any more has to be destroyed where the old key is.
 * `record.conflict` when another re-wrap was faster.
 */
export async function rewrapRootKey(
  options: TenantKeysOptions,
  under: readonly KeyWrapper[],
  change: { readonly nextPackGeneration?: boolean } = {},
): Promise<KeyEnvelope> {
  const { tenant } = options;
  const { rootKey, envelope } = await openRootKey(options, false);
  try {
    const names = await listEnvelopes(options);
    const newest = await newestPackGeneration(options, names, rootKey);
    const packGeneration = newest + (change.nextPackGeneration ? 1 : 0);
    if (packGeneration > packGenerationMax) {
      throw new AppError('request.conflict', `tenant ${tenant} has used all ${packGenerationMax} pack key generations`);
    }
    const next: KeyEnvelope = {
      ...envelope,
      rewrap: nextFree(tenant, names, envelope.rewrap),
      packGeneration,
      wraps: await wrapAll(options, under, rootKey),
    };
    if (await putEnvelope(options, next.rewrap, encodeEnvelope(next, rootKey))) return next;
    throw new AppError('record.conflict', `tenant ${tenant}'s root key is being wrapped by somebody else; try again`, {
      retryable: true,
    });
  } finally {
    rootKey.fill(0);
  }
}

/** Not the greatest number plus one: a stranger who wrote the last possible number would end all rotation. */
function nextFree(tenant: string, names: readonly EnvelopeName[], after: number): number {
  const taken = new Set(names.map(({ rewrap }) => rewrap));
  for (let rewrap = after + 1; rewrap <= rewrapMax; rewrap++) if (!taken.has(rewrap)) return rewrap;
  throw new AppError('request.conflict', `tenant ${tenant} has no free number for another key envelope`);
}

/** Of all envelopes that the root key authenticates: the one that opened may be an older one. */
async function newestPackGeneration(
  options: TenantKeysOptions,
  names: readonly EnvelopeName[],
  rootKey: Buffer,
): Promise<number> {
  let newest = 1;
  for (const name of names) {
    for (const { stored, envelope } of (await readEnvelope(options, name)).copies) {
      if (authenticateEnvelope(stored, rootKey, envelope)) newest = Math.max(newest, envelope.packGeneration);
    }
  }
  return newest;
}

async function openExisting(options: TenantKeysOptions): Promise<OpenedRootKey | undefined> {
  const { tenant, pinnedCheck } = options;
  const names = await listEnvelopes(options);
  if (names.length === 0) return undefined;
  const failures: unknown[] = [];
  const check = await findCheck(options, names, failures);
  if (check === undefined) throw worst(tenant, failures);
  if (pinnedCheck !== undefined && pinnedCheck !== check) {
    throw new AppError(
      'key.wrong',
      `tenant ${tenant} has another root key than the settings say (BLOCKFERRY_ROOT_KEY_CHECK); nothing was written`,
    );
  }
  for (const name of names.toReversed()) {
    const { copies, problems } = await readEnvelope(options, name);
    failures.push(...problems);
    for (const copy of copies) {
      if (copy.envelope.check !== check) {
        const object = envelopeKey(tenant, rootGeneration, name.rewrap);
        options.logger.error('a key envelope is of another root key; it is ignored, find out who wrote it', { object });
        continue;
      }
      const rootKey = await openCopy(options, copy, failures);
      if (!rootKey) continue;
      await repairCopies(options, name, copy.stored);
      return { rootKey, envelope: copy.envelope };
    }
  }
  throw worst(tenant, failures);
}

/** undefined when another writer was first. */
async function create(options: TenantKeysOptions, mayCreate: boolean): Promise<OpenedRootKey | undefined> {
  const { tenant, pinnedCheck } = options;
  if (await hasData(options)) {
    // Envelopes come before data, so a first writer that was faster than our look shows now.
    if ((await listEnvelopes(options)).length > 0) return undefined;
    throw missing(tenant, 'its data are there, its key envelopes are not');
  }
  if (!mayCreate) throw missing(tenant, 'nothing was ever written for it');
  if (pinnedCheck !== undefined) {
    throw missing(tenant, 'the settings pin a root key (BLOCKFERRY_ROOT_KEY_CHECK), and there is none');
  }
  const rootKey = options.randomBytes(rootKeyBytes);
  try {
    const envelope: KeyEnvelope = {
      tenant,
      generation: rootGeneration,
      rewrap: 0,
      packGeneration: 1,
      check: rootKeyCheck(rootKey, tenant),
      wraps: await wrapAll(options, options.wrappers, rootKey),
    };
    if (!(await putEnvelope(options, 0, encodeEnvelope(envelope, rootKey)))) return undefined;
    options.logger.info('a root key was made for a new tenant; pin its check in the settings', {
      tenant,
      check: envelope.check,
      wraps: envelope.wraps.map(({ kind }) => kind).join(','),
    });
    return { rootKey: Buffer.from(rootKey), envelope };
  } finally {
    rootKey.fill(0);
  }
}

/** Each wrap that its wrapper can open again is opened and compared before anything depends on it. */
async function wrapAll(options: TenantKeysOptions, under: readonly KeyWrapper[], rootKey: Buffer) {
  const context: WrapContext = { tenant: options.tenant, generation: rootGeneration, signal: options.signal };
  const wraps = [];
  for (const wrapper of under) {
    const wrap = await wrapper.wrap(rootKey, context);
    if (await wrapper.opens(wrap)) {
      const again = await wrapper.unwrap(wrap, context);
      const same = again.equals(rootKey);
      again.fill(0);
      if (!same) {
        throw new AppError('key.wrong', `${await wrapper.describe()} gives back another key than it was given`);
      }
    }
    wraps.push(wrap);
  }
  if (!wraps.some(({ kind }) => kind !== 'escrow')) {
    throw new AppError('config.invalid', 'a root key needs a key file or a Key Vault key beside its escrow');
  }
  return wraps;
}

/** A service that cannot answer now may have the right key: that is said first, because waiting helps. */
function worst(tenant: string, failures: readonly unknown[]): unknown {
  const passing = failures.find((failure) => isAppError(failure) && failure.retryable);
  return passing ?? failures[0] ?? missing(tenant, 'no envelope of its root key can be used');
}

const missing = (tenant: string, why: string): AppError =>
  new AppError(
    'key.missing',
    `there is no root key for tenant ${tenant}: ${why}; nothing was written, see docs/keys.md`,
  );
