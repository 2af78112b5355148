import type { Database, Row } from '../kit/database';
import { keyOf } from './arm-path';
import { asObject, type Json } from './json';

export const RESOURCE_SCHEMA = `
  CREATE TABLE IF NOT EXISTS groups (key TEXT PRIMARY KEY, name TEXT NOT NULL, location TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS resources (
    key TEXT PRIMARY KEY, type TEXT NOT NULL, subscription TEXT NOT NULL, resource_group TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type, subscription, resource_group, key);
`;

/** What the simulator knows of a resource and ARM does not show. */
export interface ResourceState {
  readonly createdAt: number;
  /** The provisioning state is not final before. */
  readonly readyAt: number;
  readonly volumeId?: string;
  /** Disks for upload: what the next step is. */
  readonly upload?: 'ready' | 'active';
  /** Disks and their incremental snapshots. */
  readonly familyId?: string;
  /** Virtual machines. */
  readonly power?: 'running' | 'stopped' | 'deallocated';
  /** Scale sets: what an instance runs. */
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Snapshots and disk restore points: background copies end then. */
  readonly copiedAt?: number;
}

export interface Resource {
  readonly key: string;
  readonly id: string;
  readonly name: string;
  readonly location: string;
  /** id, name, type, location, tags, sku, zones, properties ... as ARM shows them, but for what is computed on reading. */
  readonly body: Json;
  readonly state: ResourceState;
}

export class ResourceStore {
  constructor(private readonly database: Database) {}

  get(id: string): Resource | undefined {
    const row = this.database.first('SELECT * FROM resources WHERE key = ?', keyOf(id));
    return row === undefined ? undefined : parse(row);
  }

  /** `type` in lower case, such as `disks` or `restorepointcollections/restorepoints`. */
  put(type: string, body: Json, state: ResourceState): Resource {
    const id = String(body['id']);
    const [, , subscription = '', , group = ''] = id.split('/');
    this.database.run(
      'INSERT OR REPLACE INTO resources (key, type, subscription, resource_group, body, state) VALUES (?, ?, ?, ?, ?, ?)',
      keyOf(id),
      type,
      subscription.toLowerCase(),
      group.toLowerCase(),
      JSON.stringify(body),
      JSON.stringify(state),
    );
    return toResource(keyOf(id), body, state);
  }

  delete(id: string): void {
    this.database.run('DELETE FROM resources WHERE key = ?', keyOf(id));
  }

  /** In the order of their keys; narrower with a group, and below a parent with a key prefix. */
  list(
    type: string,
    filter: {
      readonly subscription?: string;
      readonly resourceGroup?: string | undefined;
      readonly parent?: string;
    } = {},
  ): readonly Resource[] {
    return this.database
      .all(
        `SELECT * FROM resources WHERE type = ? AND (? IS NULL OR subscription = ?)
         AND (? IS NULL OR resource_group = ?) AND (? IS NULL OR substr(key, 1, length(?)) = ?) ORDER BY key`,
        type,
        ...twice(filter.subscription?.toLowerCase()),
        ...twice(filter.resourceGroup?.toLowerCase()),
        ...thrice(filter.parent === undefined ? undefined : `${keyOf(filter.parent)}/`),
      )
      .map(parse);
  }

  hasGroup(subscription: string, name: string): boolean {
    return this.database.first('SELECT 1 FROM groups WHERE key = ?', groupKey(subscription, name)) !== undefined;
  }

  getGroup(subscription: string, name: string): { readonly name: string; readonly location: string } | undefined {
    const row = this.database.first('SELECT name, location FROM groups WHERE key = ?', groupKey(subscription, name));
    return row === undefined ? undefined : { name: String(row['name']), location: String(row['location']) };
  }

  /** Does nothing when it exists. */
  addGroup(subscription: string, name: string, location: string): void {
    this.database.run('INSERT OR IGNORE INTO groups VALUES (?, ?, ?)', groupKey(subscription, name), name, location);
  }
}

function groupKey(subscription: string, name: string): string {
  return `${subscription}/${name}`.toLowerCase();
}

function parse(row: Row): Resource {
  const body: unknown = JSON.parse(String(row['body']));
  return toResource(String(row['key']), asObject(body), JSON.parse(String(row['state'])) as ResourceState);
}

function toResource(key: string, body: Json, state: ResourceState): Resource {
  return { key, id: String(body['id']), name: String(body['name']), location: String(body['location']), body, state };
}

function twice(value: string | undefined): [string | null, string | null] {
  return [value ?? null, value ?? null];
}

function thrice(value: string | undefined): [string | null, string | null, string | null] {
  return [value ?? null, value ?? null, value ?? null];
}
