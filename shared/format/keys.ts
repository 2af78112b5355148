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
  /** Wraps the data keys of new packs: the one of `wrapGeneration`. */
  readonly wrap: Buffer;
  readonly wrapGeneration: number;
  /** Wrap keys by generation, the first is generation 1. Some newer ones too: another process may have rotated since. */
  readonly wraps: readonly Buffer[];
  /** 8 bytes that tell which root key wrote an object, without telling anything of it. */
  readonly check: Buffer;
}

export const rootKeyBytes = 32;
/** Yearly rotations for two and a half centuries; it bounds what a forged envelope can make us derive. */
export const packGenerationMax = 256;
/** So many rotations may happen while a process keeps its keys. */
const GENERATIONS_AHEAD = 8;

export const saltOfTenant = (tenant: string): string => `blockferry/1/${tenant}`;

/** `packGeneration`: generation of the key that wraps the data keys of new packs. */
export function deriveKeys(rootKey: Buffer, tenant: string, packGeneration = 1): RepositoryKeys {
  assert(rootKey.length === rootKeyBytes, 'a root key has 32 bytes');
  assert(packGeneration >= 1 && packGeneration <= packGenerationMax, `no generation of pack keys: ${packGeneration}`);
  const derive = (label: string, bytes = 32): Buffer =>
    Buffer.from(hkdfSync('sha256', rootKey, saltOfTenant(tenant), label, bytes));
  const generations = Array.from({ length: packGeneration + GENERATIONS_AHEAD }, (_, index) => index + 1);
  return {
    tenant,
    id: derive('block-id/1'),
    mac: derive('record/1'),
    meta: derive('meta/1'),
    wrap: derive(`unit-wrap/${packGeneration}`),
    wrapGeneration: packGeneration,
    wraps: generations.map((generation) => derive(`unit-wrap/${generation}`)),
    check: derive('key-check/1', 8),
  };
}
