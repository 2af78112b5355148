/** SAS on disks and snapshots: who may read or write which content, and until when. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Database, Row } from '../kit/database';

export const ACCESS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS accesses (
    container TEXT PRIMARY KEY, target TEXT NOT NULL UNIQUE, volume TEXT NOT NULL, level TEXT NOT NULL,
    identifier TEXT NOT NULL, signature TEXT NOT NULL, granted_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;
`;

export interface Access {
  readonly container: string;
  /** Key (lower-case resource id) of the disk, snapshot or disk restore point. */
  readonly target: string;
  readonly volumeId: string;
  readonly level: 'Read' | 'Write';
  readonly identifier: string;
  readonly signature: string;
  readonly grantedAt: number;
  readonly expiresAt: number;
}

/** The service version in a SAS; nothing depends on it. */
const SAS_VERSION = '2018-03-28';

export class AccessStore {
  constructor(
    private readonly database: Database,
    private readonly now: () => number,
  ) {}

  /** A new access, or the present one of this target with a later end: the URL stays the same, as in Azure. */
  grant(target: string, volumeId: string, level: 'Read' | 'Write', durationMs: number): Access {
    const now = this.now();
    const active = this.active(target);
    if (active !== undefined && active.level === level) {
      const expiresAt = Math.max(active.expiresAt, now + durationMs);
      this.database.run('UPDATE accesses SET expires_at = ? WHERE container = ?', expiresAt, active.container);
      return { ...active, expiresAt };
    }
    this.revoke(target);
    const access: Access = {
      container: randomBytes(6).toString('hex'),
      target,
      volumeId,
      level,
      identifier: randomBytes(18).toString('hex'),
      signature: randomBytes(32).toString('base64'),
      grantedAt: now,
      expiresAt: now + durationMs,
    };
    this.database.run(
      'INSERT INTO accesses VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      access.container,
      target,
      volumeId,
      level,
      access.identifier,
      access.signature,
      access.grantedAt,
      access.expiresAt,
    );
    return access;
  }

  /** Whether there was one. */
  revoke(target: string): boolean {
    return this.database.run('DELETE FROM accesses WHERE target = ?', target).changes > 0;
  }

  active(target: string): Access | undefined {
    const row = this.database.first('SELECT * FROM accesses WHERE target = ? AND expires_at > ?', target, this.now());
    return row === undefined ? undefined : parse(row);
  }

  list(): readonly Access[] {
    return this.database.all('SELECT * FROM accesses WHERE expires_at > ? ORDER BY granted_at', this.now()).map(parse);
  }

  /** The access that a SAS URL's container and query stand for; undefined when revoked, expired or forged. */
  authorize(container: string, query: URLSearchParams): Access | undefined {
    const row = this.database.first(
      'SELECT * FROM accesses WHERE container = ? AND expires_at > ?',
      container,
      this.now(),
    );
    if (row === undefined) return undefined;
    const access = parse(row);
    const isRight =
      query.get('sv') === SAS_VERSION &&
      query.get('sr') === 'b' &&
      query.get('si') === access.identifier &&
      isSame(query.get('sig') ?? '', access.signature);
    return isRight ? access : undefined;
  }
}

/** `origin` is the data plane's, such as `http://127.0.0.1:10100`. */
export function sasUrl(origin: string, access: Access): string {
  const query = `sv=${SAS_VERSION}&sr=b&si=${access.identifier}&sig=${encodeURIComponent(access.signature)}`;
  return `${origin}/${access.container}/abcd?${query}`;
}

function parse(row: Row): Access {
  return {
    container: String(row['container']),
    target: String(row['target']),
    volumeId: String(row['volume']),
    level: row['level'] === 'Write' ? 'Write' : 'Read',
    identifier: String(row['identifier']),
    signature: String(row['signature']),
    grantedAt: Number(row['granted_at']),
    expiresAt: Number(row['expires_at']),
  };
}

function isSame(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
