/**
 * The vault's keys on disk: names with their versions, deleted names until they are purged. Private keys lie in it in clear:
 * it is a simulator, and its state directory is for its owner only.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Database, Row } from '../kit/database';
import type { SeededRandom } from '../kit/random';
import { keyNotFound, VaultError } from './vault-error';

export const KEY_VAULT_SCHEMA = `
CREATE TABLE IF NOT EXISTS vault_keys (name TEXT PRIMARY KEY, deleted_at INTEGER, purge_at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vault_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT NOT NULL, pem TEXT NOT NULL, operations TEXT NOT NULL,
  enabled INTEGER NOT NULL, not_before INTEGER, expires INTEGER, created INTEGER NOT NULL, updated INTEGER NOT NULL, bits INTEGER NOT NULL,
  UNIQUE (name, version));
`;

/** Instants in seconds, as on the wire. */
export interface KeyAttributes {
  readonly enabled: boolean;
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
}

export interface KeyVersion extends KeyAttributes {
  readonly name: string;
  readonly version: string;
  readonly pem: string;
  readonly operations: readonly string[];
  readonly created: number;
  readonly updated: number;
  readonly bits: number;
}

export interface DeletedKey {
  readonly newest: KeyVersion;
  readonly deletedAt: number;
  readonly purgeAt: number;
}

export const ALL_OPERATIONS: readonly string[] = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'];

export class KeyStore {
  constructor(
    private readonly database: Database,
    private readonly random: SeededRandom,
    private readonly nowSeconds: () => number,
  ) {}

  /** A new key, or a new version of the key with this name. 409 while a deleted key holds the name. */
  async create(name: string, bits: number, change: Partial<KeyAttributes> & { operations?: readonly string[] }) {
    this.requireFree(name);
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return this.database.transaction(() => {
      this.requireFree(name);
      const version = this.random.bytes(16).toString('hex');
      const now = this.nowSeconds();
      this.database.run('INSERT OR IGNORE INTO vault_keys (name) VALUES (?)', name);
      this.database.run(
        'INSERT INTO vault_versions (name, version, pem, operations, enabled, not_before, expires, created, updated, bits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        name,
        version,
        pem,
        (change.operations ?? ALL_OPERATIONS).join(','),
        change.enabled === false ? 0 : 1,
        change.notBefore ?? null,
        change.expires ?? null,
        now,
        now,
        bits,
      );
      return this.get(name, version);
    });
  }

  /** The newest version when none is named. 404 also for deleted keys. */
  get(name: string, version?: string): KeyVersion {
    const [found] = this.versions(name).filter((known) => version === undefined || known.version === version);
    if (!found || this.deletion(name) !== undefined) throw keyNotFound(version ? `${name}/${version}` : name);
    return found;
  }

  has(name: string): boolean {
    return this.versions(name).length > 0;
  }

  /** Newest first. */
  versions(name: string): KeyVersion[] {
    return this.database.all('SELECT * FROM vault_versions WHERE name = ? ORDER BY id DESC', name).map(versionOf);
  }

  names(deleted: boolean): string[] {
    const where = deleted ? 'IS NOT NULL' : 'IS NULL';
    return this.database
      .all(`SELECT name FROM vault_keys WHERE deleted_at ${where} ORDER BY name`)
      .map((row) => String(row['name']));
  }

  update(
    name: string,
    version: string | undefined,
    change: Partial<KeyAttributes> & { operations?: readonly string[] },
  ): KeyVersion {
    const now = this.get(name, version);
    const next = { ...now, ...Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) };
    this.database.run(
      'UPDATE vault_versions SET enabled = ?, not_before = ?, expires = ?, operations = ?, updated = ? WHERE name = ? AND version = ?',
      next.enabled ? 1 : 0,
      next.notBefore ?? null,
      next.expires ?? null,
      next.operations.join(','),
      this.nowSeconds(),
      name,
      now.version,
    );
    return this.get(name, now.version);
  }

  delete(name: string, retentionDays: number): DeletedKey {
    this.get(name);
    const now = this.nowSeconds();
    const purgeAt = now + retentionDays * 86_400;
    this.database.run('UPDATE vault_keys SET deleted_at = ?, purge_at = ? WHERE name = ?', now, purgeAt, name);
    return this.deleted(name);
  }

  deleted(name: string): DeletedKey {
    const deletion = this.deletion(name);
    const [newest] = this.versions(name);
    if (!deletion || !newest) throw keyNotFound(name);
    return { newest, ...deletion };
  }

  recover(name: string): KeyVersion {
    this.deleted(name);
    this.database.run('UPDATE vault_keys SET deleted_at = NULL, purge_at = NULL WHERE name = ?', name);
    return this.get(name);
  }

  purge(name: string): void {
    this.deleted(name);
    this.database.transaction(() => {
      this.database.run('DELETE FROM vault_versions WHERE name = ?', name);
      this.database.run('DELETE FROM vault_keys WHERE name = ?', name);
    });
  }

  private requireFree(name: string): void {
    if (this.deletion(name) === undefined) return;
    throw new VaultError(
      409,
      'Conflict',
      `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.`,
      'ObjectIsDeletedButRecoverable',
    );
  }

  /** undefined for a live or unknown key; a key past its retention is purged on the way. */
  private deletion(name: string): { readonly deletedAt: number; readonly purgeAt: number } | undefined {
    const row = this.database.first('SELECT * FROM vault_keys WHERE name = ? AND deleted_at IS NOT NULL', name);
    if (!row) return undefined;
    const purgeAt = Number(row['purge_at']);
    if (purgeAt > this.nowSeconds()) return { deletedAt: Number(row['deleted_at']), purgeAt };
    this.database.run('DELETE FROM vault_versions WHERE name = ?', name);
    this.database.run('DELETE FROM vault_keys WHERE name = ?', name);
    return undefined;
  }
}

const optionalNumber = (value: unknown): number | undefined =>
  value === null || value === undefined ? undefined : Number(value);

const versionOf = (row: Row): KeyVersion => ({
  name: String(row['name']),
  version: String(row['version']),
  pem: String(row['pem']),
  operations: String(row['operations']).split(','),
  enabled: row['enabled'] === 1,
  notBefore: optionalNumber(row['not_before']),
  expires: optionalNumber(row['expires']),
  created: Number(row['created']),
  updated: Number(row['updated']),
  bits: Number(row['bits']),
});
