/** Bucket records. */
import { type Database, numberOf, optionalNumber, optionalText, type Row, textOf } from './database';

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';
export type VersioningState = '' | 'Enabled' | 'Suspended';

export interface DefaultRetention {
  readonly mode: LockMode;
  readonly days: number | undefined;
  readonly years: number | undefined;
}

export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly createdAt: number;
  /** Empty: never enabled. */
  readonly versioning: VersioningState;
  readonly objectLock: boolean;
  readonly defaultRetention: DefaultRetention | undefined;
  /** JSON as it was put. */
  readonly policy: string | undefined;
  /** XML of the Rule elements as they were put. */
  readonly lifecycle: string | undefined;
}

export interface Buckets {
  get(name: string): Bucket | undefined;
  list(): readonly Bucket[];
  create(bucket: Pick<Bucket, 'name' | 'region' | 'createdAt' | 'objectLock'>): void;
  remove(name: string): void;
  isEmpty(name: string): boolean;
  setVersioning(name: string, state: VersioningState): void;
  /** Turns Object Lock on. */
  setObjectLock(name: string, retention: DefaultRetention | undefined): void;
  setPolicy(name: string, policy: string | undefined): void;
  setLifecycle(name: string, lifecycle: string | undefined): void;
}

export function bucketsIn(database: Database): Buckets {
  return {
    get(name) {
      const row = database.get('SELECT * FROM buckets WHERE name = ?', name);
      return row === undefined ? undefined : bucketOf(row);
    },
    list: () => database.all('SELECT * FROM buckets ORDER BY name').map(bucketOf),
    create({ name, region, createdAt, objectLock }) {
      database.run(
        'INSERT INTO buckets (name, region, created_at, versioning, object_lock) VALUES (?, ?, ?, ?, ?)',
        name,
        region,
        createdAt,
        objectLock ? 'Enabled' : '',
        objectLock ? 1 : 0,
      );
    },
    remove: (name) => database.run('DELETE FROM buckets WHERE name = ?', name),
    isEmpty: (name) => database.get('SELECT 1 FROM versions WHERE bucket = ? LIMIT 1', name) === undefined,
    setVersioning: (name, state) => database.run('UPDATE buckets SET versioning = ? WHERE name = ?', state, name),
    setObjectLock(name, retention) {
      database.run(
        'UPDATE buckets SET object_lock = 1, lock_mode = ?, lock_days = ?, lock_years = ? WHERE name = ?',
        retention?.mode ?? null,
        retention?.days ?? null,
        retention?.years ?? null,
        name,
      );
    },
    setPolicy: (name, policy) => database.run('UPDATE buckets SET policy = ? WHERE name = ?', policy ?? null, name),
    setLifecycle(name, lifecycle) {
      database.run('UPDATE buckets SET lifecycle = ? WHERE name = ?', lifecycle ?? null, name);
    },
  };
}

function bucketOf(row: Row): Bucket {
  const versioning = textOf(row, 'versioning');
  const mode = lockModeOf(optionalText(row, 'lock_mode'));
  return {
    name: textOf(row, 'name'),
    region: textOf(row, 'region'),
    createdAt: numberOf(row, 'created_at'),
    versioning: versioning === 'Enabled' || versioning === 'Suspended' ? versioning : '',
    objectLock: numberOf(row, 'object_lock') === 1,
    defaultRetention:
      mode === undefined
        ? undefined
        : { mode, days: optionalNumber(row, 'lock_days'), years: optionalNumber(row, 'lock_years') },
    policy: optionalText(row, 'policy'),
    lifecycle: optionalText(row, 'lifecycle'),
  };
}

export function lockModeOf(text: string | undefined): LockMode | undefined {
  return text === 'GOVERNANCE' || text === 'COMPLIANCE' ? text : undefined;
}
