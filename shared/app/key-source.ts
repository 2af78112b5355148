/**
 * The root key for repositories: opened from its envelopes, then kept in this process for at most an hour, so that Key Vault
 * is not asked for each session and a key that was disabled there stops new sessions within that hour. What is dropped is
 * overwritten first.
 */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import type { KeySource, StorePair, StoreRole } from '../blockstore/object-store';
import { type OpenedRootKey, openRootKey } from '../blockstore/tenant-keys';

export interface TenantKeySourceOptions {
  /** For opening and for a new tenant's first envelope. */
  readonly wrappers: readonly KeyWrapper[];
  readonly pinnedCheck: string | undefined;
  readonly randomBytes: (count: number) => Buffer;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TenantKeySource {
  /** Looks through these stores when the key is not at hand. Only a writer makes the key of a new tenant. */
  through(stores: StorePair, role: StoreRole): KeySource;
  /** Forgets all keys, overwriting them. */
  clear(): void;
}

const KEPT_MS = 60 * 60_000;

interface KeptKey {
  readonly opened: OpenedRootKey;
  readonly timer: NodeJS.Timeout;
  readonly endsAtMs: number;
}

export function createTenantKeySource(options: TenantKeySourceOptions): TenantKeySource {
  const kept = new Map<string, KeptKey>();
  const opening = new Map<string, Promise<void>>();

  const drop = (tenant: string): void => {
    const held = kept.get(tenant);
    if (!held) return;
    kept.delete(tenant);
    clearTimeout(held.timer);
    held.opened.rootKey.fill(0);
  };
  const alive = (tenant: string): OpenedRootKey | undefined => {
    const held = kept.get(tenant);
    // A machine that slept runs its timers late: the clock has the last word.
    if (held && options.clock.monotonicMs() < held.endsAtMs) return held.opened;
    drop(tenant);
    return undefined;
  };
  const open = async (stores: StorePair, role: StoreRole, tenant: string): Promise<void> => {
    const opened = await openRootKey({ ...options, stores, tenant }, role === 'writer');
    if (alive(tenant)) {
      opened.rootKey.fill(0); // the other role was faster
      return;
    }
    const timer = setTimeout(() => drop(tenant), KEPT_MS).unref();
    kept.set(tenant, { opened, timer, endsAtMs: options.clock.monotonicMs() + KEPT_MS });
  };
  /** `read` runs at once when the key is found alive: nothing can overwrite it in between. */
  const use = async <Result>(
    stores: StorePair,
    role: StoreRole,
    tenant: string,
    read: (opened: OpenedRootKey) => Result,
  ): Promise<Result> => {
    // Not shared between the roles: a reader would not make the key that a writer waits for.
    const key = `${role}/${tenant}`;
    for (;;) {
      const held = alive(tenant);
      if (held) return read(held);
      const started = opening.get(key) ?? open(stores, role, tenant).finally(() => opening.delete(key));
      opening.set(key, started);
      await started;
    }
  };

  return {
    through: (stores, role) => ({
      rootKey: (tenant) => use(stores, role, tenant, ({ rootKey }) => Buffer.from(rootKey)),
      packGeneration: (tenant) => use(stores, role, tenant, ({ envelope }) => envelope.packGeneration),
      release: (rootKey) => rootKey.fill(0),
    }),
    clear: () => {
      for (const tenant of [...kept.keys()]) drop(tenant);
    },
  };
}
