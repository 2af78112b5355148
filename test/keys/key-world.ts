/** Tenants on stores in memory, with key files made for the test. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createKeyFileWrapper } from '../../shared/app/key-file';
import type { LogFields } from '../../shared/base/logger';
import type { KeyWrapper } from '../../shared/blockstore/key-wrapper';
import { openRootKey, type TenantKeysOptions } from '../../shared/blockstore/tenant-keys';
import { type MemoryStores, memoryStores } from '../helpers/memory-object-store';

export interface KeyWorld {
  readonly folder: string;
  readonly stores: MemoryStores;
  /** Each log entry as text, for scans. */
  readonly log: string[];
  keyFile(name: string, key?: Buffer): KeyWrapper;
  options(wrappers: readonly KeyWrapper[], more?: Partial<TenantKeysOptions>): TenantKeysOptions;
  /** The root key as hex. */
  open(wrappers: readonly KeyWrapper[], more?: Partial<TenantKeysOptions>): Promise<string>;
  /** Changes the bytes of an envelope in one bucket; undefined removes it. */
  tamper(bucket: 'data' | 'control', rewrap: number, change: (text: string) => string | undefined): void;
  close(): void;
}

export const tenant = 'acme';
export const envelopeAt = (rewrap: number): string => `t/${tenant}/k/1/${rewrap}`;

export function keyWorld(): KeyWorld {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-keys-'));
  const stores = memoryStores();
  const log: string[] = [];
  const entry = (message: string, fields?: LogFields): void => {
    log.push(JSON.stringify({ message, ...fields }));
  };
  const logger = { info: entry, warn: entry, error: entry };
  const world: KeyWorld = {
    folder,
    stores,
    log,
    keyFile: (name, key = randomBytes(32)) => {
      const file = path.join(folder, name);
      writeFileSync(file, key, { mode: 0o600 });
      return createKeyFileWrapper({ path: file, randomBytes });
    },
    options: (wrappers, more = {}) => ({ stores, tenant, logger, wrappers, randomBytes, ...more }),
    open: async (wrappers, more = {}) => {
      const { rootKey } = await openRootKey(world.options(wrappers, more), true);
      return rootKey.toString('hex');
    },
    tamper: (bucket, rewrap, change) => {
      const { objects } = stores[bucket];
      const held = objects.get(envelopeAt(rewrap));
      if (!held) throw new Error(`no envelope ${rewrap} in the ${bucket} bucket`);
      const text = change(held.body.toString('utf8'));
      if (text === undefined) objects.delete(envelopeAt(rewrap));
      else objects.set(envelopeAt(rewrap), { body: Buffer.from(text), etag: `"${text.length}-changed"` });
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
  return world;
}

/** Every object of both buckets by name: nothing was written when it is the same before and after. */
export const namesIn = ({ data, control }: MemoryStores): string[] =>
  [...data.objects.keys(), ...[...control.objects.keys()].map((key) => `control ${key}`)].sort();
