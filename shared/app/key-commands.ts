/** What a person does with the keys of the tenant that the settings name; docs/keys.md says when. Each can be repeated. */
import { randomBytes } from 'node:crypto';
import { createObjectEraser } from '../aws/object-eraser';
import { createStoreAccess } from '../aws/store-access';
import { createAzureCredential } from '../azure/credential';
import { createDestroyableKey } from '../azure/key-vault-destroy';
import type { Logger } from '../base/logger';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import type { StorePair, StoreRole } from '../blockstore/object-store';
import { openRootKey, rewrapRootKey, type TenantKeysOptions } from '../blockstore/tenant-keys';
import { type EraseReport, eraseTenantKeys } from '../blockstore/tenant-keys-erase';
import { listEnvelopes } from '../blockstore/tenant-keys-store';
import type { KeyEnvelope } from '../format/key-envelope';
import { AppError } from '../model/errors';
import { storeAccessOptions } from './compose-data-plane';
import type { Settings } from './config';
import { createEscrowWrapper } from './key-escrow';
import { keyWrappers } from './key-wrappers';

/** Where the root key is to be wrapped from now on; what is absent stays as the settings say. */
export interface WrapTargets {
  readonly keyFile?: string | undefined;
  readonly keyVaultKey?: string | undefined;
  readonly escrowKey?: string | undefined;
}

export interface KeySummary {
  readonly tenant: string;
  /** For BLOCKFERRY_ROOT_KEY_CHECK. */
  readonly check: string;
  readonly rewrap: number;
  readonly packGeneration: number;
  /** Kind and id of each wrapping key. */
  readonly wraps: readonly string[];
}

export interface KeyStatus extends KeySummary {
  /** Envelopes by number, with the buckets that hold each. */
  readonly envelopes: readonly string[];
}

export interface EraseOptions {
  /** The tenant's name once more. */
  readonly confirm: string;
  readonly eraserRoleArn: string;
  /** false leaves a deleted Key Vault key recoverable. */
  readonly purge: boolean;
}

export function createKeyCommands(settings: Settings, logger: Logger) {
  const tenant = settings.BLOCKFERRY_TENANT;
  const credential = createAzureCredential({ clientId: settings.BLOCKFERRY_IDENTITY_CLIENT_ID });
  const access = createStoreAccess(storeAccessOptions(settings, credential));
  const sessionId = `keys-${randomBytes(6).toString('hex')}`;
  const stores = (role: StoreRole): StorePair => access.open({ role, tenant, sessionId });
  const configured = keyWrappers(settings, credential);
  const pinnedCheck = settings.BLOCKFERRY_ROOT_KEY_CHECK;
  const options = (role: StoreRole, wrappers: readonly KeyWrapper[] = configured): TenantKeysOptions => ({
    stores: stores(role),
    tenant,
    logger,
    wrappers,
    randomBytes,
    pinnedCheck,
  });
  const open = async (role: StoreRole, mayCreate: boolean): Promise<KeySummary> => {
    const { rootKey, envelope } = await openRootKey(options(role), mayCreate);
    rootKey.fill(0);
    return summaryOf(envelope);
  };

  return {
    /** Opens the root key to prove that the settings can, and says where it lies. */
    status: async (): Promise<KeyStatus> => {
      const names = await listEnvelopes(options('reader'));
      const envelopes = names.map(({ rewrap, buckets }) => `${rewrap}: ${[...buckets].join(', ')}`);
      return { ...(await open('reader', false)), envelopes };
    },
    /** Makes the root key of a new tenant now, instead of at its first backup. */
    create: (): Promise<KeySummary> => open('writer', true),
    rewrap: async (targets: WrapTargets): Promise<KeySummary> =>
      summaryOf(await rewrapRootKey(options('writer'), wrappersFor(targets))),
    /** New packs get their data keys wrapped under the next generation; old ones stay readable. */
    rotatePackKey: async (): Promise<KeySummary> =>
      summaryOf(await rewrapRootKey(options('writer'), configured, { nextPackGeneration: true })),
    /** The wrapping key is lost: opens with the offline escrow key and wraps under what the settings name now. */
    recover: async (escrowPrivateKey: string): Promise<KeySummary> => {
      const escrow = createEscrowWrapper({ path: escrowPrivateKey, half: 'private' });
      const keepEscrow = settings.BLOCKFERRY_ESCROW_KEY_FILE === undefined ? [escrow] : [];
      return summaryOf(await rewrapRootKey(options('writer', [escrow]), [...configured, ...keepEscrow]));
    },
    erase: async ({ confirm, eraserRoleArn, purge }: EraseOptions): Promise<EraseReport> => {
      if (confirm !== tenant) {
        throw new AppError('request.invalid', `this ends tenant ${tenant} for ever: give --confirm ${tenant}`);
      }
      const { roles: _, webIdentityToken, ...where } = storeAccessOptions(settings, credential);
      const keyId = settings.BLOCKFERRY_KEY_VAULT_KEY;
      return eraseTenantKeys({
        stores: stores('reader'),
        tenant,
        logger,
        wrappers: configured,
        objects: createObjectEraser({
          ...where,
          webIdentityToken: () => webIdentityToken('writer'),
          roleArn: eraserRoleArn,
          tenant,
        }),
        vaultKeys: keyId === undefined ? [] : [createDestroyableKey({ keyId, credential })],
        purge,
      });
    },
    close: () => access.close(),
  };

  function wrappersFor({ keyFile, keyVaultKey, escrowKey }: WrapTargets): KeyWrapper[] {
    const moved = keyFile !== undefined || keyVaultKey !== undefined;
    return keyWrappers(
      {
        BLOCKFERRY_KEY_FILE: moved ? keyFile : settings.BLOCKFERRY_KEY_FILE,
        BLOCKFERRY_KEY_VAULT_KEY: moved ? keyVaultKey : settings.BLOCKFERRY_KEY_VAULT_KEY,
        BLOCKFERRY_ESCROW_KEY_FILE: escrowKey ?? settings.BLOCKFERRY_ESCROW_KEY_FILE,
      },
      credential,
    );
  }
}

const summaryOf = ({ tenant, check, rewrap, packGeneration, wraps }: KeyEnvelope): KeySummary => ({
  tenant,
  check,
  rewrap,
  packGeneration,
  wraps: wraps.map(({ kind, keyId }) => `${kind} ${keyId}`),
});
