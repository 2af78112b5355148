/**
 * The tenant's keys, all derived from its root key by HKDF-SHA-256 with one label each, so that none of them says anything
 * about another. They live in memory only.
 */
import { hkdfSync } from 'node:crypto';
import { assert } from '../base/assert';

export interface RepositoryKeys {
  readonly tenant: string;
  /** Keyed block ids. */
  readonly id: Buffer;
  /** MACs: the synthetic salt of sealed objects. */
  readonly mac: Buffer;
  /** Sealing of index segments, manifests and records. */
  readonly meta: Buffer;
  /** Wraps the data key of each pack. */
  readonly wrap: Buffer;
  readonly wrapGeneration: number;
  /** 8 bytes that tell which root key wrote an object, without telling anything of it. */
  readonly check: Buffer;
}

export const rootKeyBytes = 32;
const WRAP_GENERATION = 1;

export function deriveKeys(rootKey: Buffer, tenant: string): RepositoryKeys {
  assert(rootKey.length === rootKeyBytes, 'a root key has 32 bytes');
  const derive = (label: string, bytes = 32): Buffer =>
    Buffer.from(hkdfSync('sha256', rootKey, `blockferry/1/${tenant}`, label, bytes));
  return {
    tenant,
    id: derive('block-id/1'),
    mac: derive('record/1'),
    meta: derive('meta/1'),
    wrap: derive(`unit-wrap/${WRAP_GENERATION}`),
    wrapGeneration: WRAP_GENERATION,
    check: derive('key-check/1', 8),
  };
}
