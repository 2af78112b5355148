/**
 * Who wraps a tenant's root key: a key file, Azure Key Vault, an escrow key. An implementation talks to its key and knows
 * nothing of buckets or envelopes. Nothing it throws, logs or returns may hold key bytes, but the wraps and the root key.
 */
import type { RootKeyWrap } from '../format/key-envelope';

export interface WrapContext {
  readonly tenant: string;
  readonly generation: number;
  readonly signal?: AbortSignal | undefined;
}

export type WrappedRootKey = RootKeyWrap;

export interface KeyWrapper {
  readonly kind: WrappedRootKey['kind'];
  /** For messages: which key this is, without a secret. May cost a look at the key. */
  describe(): Promise<string>;
  /** Wraps under the newest version of the key. Repeating it is safe and gives other bytes. */
  wrap(rootKey: Buffer, context: WrapContext): Promise<WrappedRootKey>;
  /**
   * false when this wrapper cannot possibly open the wrap: another kind, another key, or only a public half. A wrap comes
   * from a bucket and is not believed: it must never lead this wrapper to another place than its settings do.
   */
  opens(wrap: WrappedRootKey): Promise<boolean>;
  /**
   * The 32 bytes, as a buffer of the caller's own. `key.wrong` when the key does not fit, `key.missing` and `key.disabled`
   * when it is not there or may not be used, `cloud.*` when its service cannot answer now.
   */
  unwrap(wrap: WrappedRootKey, context: WrapContext): Promise<Buffer>;
}

export interface DestroyedKey {
  readonly keyId: string;
  /** `recoverable`: nobody can use it, but its vault can bring it back until then. */
  readonly state: 'purged' | 'recoverable';
  /** ISO instant; when a recoverable key ends for good. */
  readonly endsAt?: string;
}

/** A wrapping key that we can end ourselves. Repeating it is safe. */
export interface DestroyableKey {
  destroy(options: { readonly purge: boolean; readonly signal?: AbortSignal }): Promise<DestroyedKey>;
}
